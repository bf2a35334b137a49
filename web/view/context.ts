// How a part of the view reaches what web/app.ts made.
import { createContext } from 'svelte';
import type { App } from '../state/app.ts';

export const [getApp, setApp] = createContext<App>();
