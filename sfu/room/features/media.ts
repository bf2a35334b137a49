// The transports of a peer, and what it receives on them.
import { media as spec } from '#shared/contract/features/media.ts';
import { consumerView } from '../peer.ts';
import { feature } from './feature.ts';
import { LAYER, TRANSPORT } from './rates.ts';
import { stage } from './stage.ts';

export const media = feature({
  spec,
  memory: () => null,
  rates: {
    'transport:create': TRANSPORT,
    'transport:connect': TRANSPORT,
    'transport:restart': TRANSPORT,
    'consumer:prefer': LAYER,
    'consumer:resume': LAYER,
  },
  open: (room) => ({
    requests: {
      'transport:create': ({ peer }, { direction }) => peer.requireSession().media.createTransport(direction),
      'transport:connect': async ({ peer }, { transportId, dtlsParameters }) => {
        await peer.requireSession().media.connectTransport(transportId, dtlsParameters);
        return {};
      },
      'transport:restart': async ({ peer }, { transportId }) => ({
        iceParameters: await peer.requireSession().media.restartIce(transportId),
      }),
      'consumer:prefer': async ({ peer }, { consumerId, spatialLayer }) => {
        await peer.requireSession().media.preferLayer(consumerId, spatialLayer);
        return {};
      },
      'consumer:pause': async ({ peer }, { consumerId }) => {
        await peer.requireSession().media.setConsumerPaused(consumerId, true);
        return {};
      },
      'consumer:resume': async ({ peer }, { consumerId }) => {
        await peer.requireSession().media.setConsumerPaused(consumerId, false);
        return {};
      },
    },
    snapshot: (_peer, session) => ({
      recvTransport: session.media.recvTransport,
      consumers: [...session.subscriptions.values()].map((subscription) =>
        consumerView(subscription, room.get(stage).stage.isPaused(subscription.producerId)),
      ),
    }),
  }),
});
