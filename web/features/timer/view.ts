import type { FeatureView } from '../feature.ts';
import { createTimer } from './engine.ts';
import TimerButton from './TimerButton.svelte';
import TimerNote from './TimerNote.svelte';

export const timer: FeatureView = { create: createTimer, button: TimerButton, note: TimerNote };
