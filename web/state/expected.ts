// For the view, which imports state alone.
export { expected } from '#shared/expected.ts';
