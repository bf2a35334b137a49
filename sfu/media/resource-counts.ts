// Counts what lives in the workers, for the metrics.
import type { types } from 'mediasoup';

type What = 'transports' | 'producers' | 'consumers';

export class ResourceCounts {
  readonly counts: Record<What, number> = { transports: 0, producers: 0, consumers: 0 };

  /** Counts all that is made on this worker; what ends, with it or before, is taken off. */
  watch(worker: types.Worker): void {
    worker.observer.on('newrouter', (router) => {
      router.observer.on('newtransport', (transport) => {
        transport.observer.on('newproducer', (producer) => {
          producer.observer.once('close', this.#add('producers'));
        });
        transport.observer.on('newconsumer', (consumer) => {
          consumer.observer.once('close', this.#add('consumers'));
        });
        const left = this.#add('transports');
        transport.observer.once('close', left);
      });
    });
  }

  #add(what: What): () => void {
    this.counts[what] += 1;
    return () => {
      this.counts[what] -= 1;
    };
  }
}
