// What each request does, once `bind.ts` has checked it.
import type { RequestData, RequestName, RequestResult } from '#shared/contract/signalling.ts';
import type { Ticket } from '#shared/contract/tickets.ts';
import type { Peer } from '../room/peer.ts';
import type { Room } from '../room/room.ts';

/** Who asks, after all checks. */
export interface Call {
  readonly room: Room;
  readonly peer: Peer;
  readonly ticket: Ticket;
}

/** Joining is the one request of somebody who is no peer yet; `bind.ts` does it itself. */
export type PeerRequest = Exclude<RequestName, 'room:join'>;
export type Handler<N extends RequestName> = (
  call: Call,
  data: RequestData<N>,
) => RequestResult<N> | Promise<RequestResult<N>>;

const NOTHING = {};

export const HANDLERS: { readonly [N in PeerRequest]: Handler<N> } = {
  'room:close': ({ room }) => {
    room.close();
    return NOTHING;
  },
  'room:leave': ({ room, peer }) => {
    room.leave(peer);
    return NOTHING;
  },
  'transport:create': ({ peer }, { direction }) => peer.requireSession().media.createTransport(direction),
  'transport:connect': async ({ peer }, { transportId, dtlsParameters }) => {
    await peer.requireSession().media.connectTransport(transportId, dtlsParameters);
    return NOTHING;
  },
  'transport:restart': async ({ peer }, { transportId }) => ({
    iceParameters: await peer.requireSession().media.restartIce(transportId),
  }),
  'producer:create': async ({ room, peer }, data) => ({ producerId: await room.produce(peer, data) }),
  'producer:pause': async ({ room, peer }, { producerId }) => {
    await room.setProducerPaused(peer, producerId, true);
    return NOTHING;
  },
  'producer:resume': async ({ room, peer }, { producerId }) => {
    await room.setProducerPaused(peer, producerId, false);
    return NOTHING;
  },
  'producer:close': ({ room, peer }, { producerId }) => {
    room.closeProducer(peer, producerId);
    return NOTHING;
  },
  'consumer:prefer': async ({ peer }, { consumerId, spatialLayer }) => {
    await peer.requireSession().media.preferLayer(consumerId, spatialLayer);
    return NOTHING;
  },
  'consumer:pause': async ({ peer }, { consumerId }) => {
    await peer.requireSession().media.setConsumerPaused(consumerId, true);
    return NOTHING;
  },
  'consumer:resume': async ({ peer }, { consumerId }) => {
    await peer.requireSession().media.setConsumerPaused(consumerId, false);
    return NOTHING;
  },
  'chat:send': ({ room, peer }, data) => ({ message: room.post(peer, data) }),
  'chat:delete': ({ room }, { messageId }) => {
    room.deleteMessage(messageId);
    return NOTHING;
  },
  'peer:permit': ({ room, peer }, data) => {
    room.permit(peer, data);
    return NOTHING;
  },
  'peer:mute': ({ room, peer }, data) => {
    room.mute(peer, data);
    return NOTHING;
  },
  'peer:remove': ({ room, peer }, data) => {
    room.remove(peer, data);
    return NOTHING;
  },
  'door:admit': ({ room }, { peerIds }) => {
    room.door.admit(peerIds);
    return NOTHING;
  },
  'door:refuse': ({ room }, { peerIds }) => {
    room.door.refuse(peerIds);
    return NOTHING;
  },
  'broadcast:start': ({ room, peer, ticket }) => ({ broadcast: room.startBroadcast(peer, ticket) }),
  'broadcast:stop': ({ room }) => ({ broadcast: room.stopBroadcast() }),
};
