// Raised hands: kept in the order in which they went up, over a restart too. A hand goes down with its owner.
import { hands as spec } from '#shared/contract/features/hands.ts';
import { LecternError } from '#shared/contract/errors.ts';
import { feature } from './feature.ts';
import { HAND, MANAGE } from './rates.ts';

/** When each hand went up, in ms since 1970, by peer id; the first first. */
type Raised = Map<string, number>;

export const hands = feature({
  spec,
  memory: (): Raised => new Map(),
  remember(raised, event) {
    if (event.type === 'hand:raised') raised.set(event.peerId, event.raisedAtMs);
    else if (event.type === 'hand:lowered' || event.type === 'peer:left') raised.delete(event.peerId);
    else if (event.type === 'room:closed') raised.clear();
  },
  rates: { 'hand:raise': HAND, 'hand:lower': MANAGE },
  open({ members, events, deps }, raised) {
    const lower = (peerId: string) => {
      if (!raised.has(peerId)) return;
      events.append({ type: 'hand:lowered', peerId });
      members.notify('hand:lowered', { peerId });
    };
    return {
      requests: {
        'hand:raise': ({ peer }) => {
          if (raised.has(peer.id)) return {};
          const hand = { peerId: peer.id, raisedAtMs: deps.now() };
          events.append({ type: 'hand:raised', ...hand });
          members.notify('hand:raised', hand);
          return {};
        },
        'hand:lower': ({ peer }, { peerId = peer.id }) => {
          if (members.get(peerId) === undefined) {
            throw new LecternError('not-found', 'This person is not in the room.');
          }
          lower(peerId);
          return {};
        },
      },
      snapshot: () => ({ hands: [...raised].map(([peerId, raisedAtMs]) => ({ peerId, raisedAtMs })) }),
    };
  },
});
