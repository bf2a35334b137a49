// What is known of a channel on air, and of the disk.
import type { BroadcastFigures } from '../channel/broadcast.ts';
import type { ViewerCount } from '../channel/ports.ts';
import type { DeliveryFigures } from '../outputs/deliveries.ts';
import type { RatesNow } from './rates.ts';

/** A channel on air with all that is known of it. */
export interface ChannelFigures extends BroadcastFigures {
  readonly delivery: DeliveryFigures;
  readonly viewers: ViewerCount;
  readonly rates: RatesNow;
}

export interface Disk {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}
