// Invitations that let people teach leave the address bar once they are read: it is seen when a screen is
// shared, and copied when somebody wants to send the link to students. The tab keeps them, over reloads.
import { Invite } from '#shared/contract/tickets.ts';
import type { StorePort } from '../engine/ports.ts';

const PRIVILEGED: readonly Invite['role'][] = ['teacher', 'assistant'];
const keyOf = (lesson: string) => `lectern:invite:${lesson}`;

/** The role that an invitation gives, unchecked: only the server's check counts. Undefined if it cannot be read. */
function roleOf(invite: string): Invite['role'] | undefined {
  try {
    const payload = (invite.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    return Invite.shape.role.safeParse((JSON.parse(atob(payload)) as { role?: unknown }).role).data;
  } catch {
    return undefined;
  }
}

export class Invitations {
  readonly #tab: StorePort;

  constructor(tab: StorePort) {
    this.#tab = tab;
  }

  /** Keeps the invitation if it lets its holder teach. Returns whether it does: then it need not be in sight. */
  keep(lesson: string, invite: string): boolean {
    const role = roleOf(invite);
    if (role === undefined || !PRIVILEGED.includes(role)) return false;
    this.#tab.set(keyOf(lesson), invite);
    // A browser that keeps nothing needs it in the address for the next load.
    return this.#tab.get(keyOf(lesson)) === invite;
  }

  /** The invitation that this tab keeps for a class; empty if none. */
  kept(lesson: string): string {
    return this.#tab.get(keyOf(lesson)) ?? '';
  }
}
