// What the browser knows of its network and of being looked at.
import type { AttentionPort, NetworkPort } from '../engine/ports.ts';

/** The Network Information API, where there is one (Chromium). */
interface WithConnection {
  readonly connection?: EventTarget & { readonly type?: string };
}

export const browserAttention: AttentionPort = {
  get visible() {
    return document.visibilityState === 'visible';
  },

  onVisible(listener) {
    const seen = () => {
      if (browserAttention.visible) listener();
    };
    document.addEventListener('visibilitychange', seen);
    return () => document.removeEventListener('visibilitychange', seen);
  },
};

export const browserNetwork: NetworkPort = {
  onChange(listener) {
    const { connection } = navigator as WithConnection;
    let type = connection?.type;
    // Its `change` also tells of mere estimates of speed; only another kind of network counts.
    const moved = () => {
      if (connection?.type === type) return;
      type = connection?.type;
      if (navigator.onLine) listener();
    };
    window.addEventListener('online', listener);
    connection?.addEventListener('change', moved);
    return () => {
      window.removeEventListener('online', listener);
      connection?.removeEventListener('change', moved);
    };
  },

  onVisible: browserAttention.onVisible,
};
