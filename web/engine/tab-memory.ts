// What a tab remembers of its class over a reload, so that it comes back as the same person, straight
// into the room.
import { z } from 'zod';
import { MAX_TOKEN_LENGTH, Ticket } from '#shared/contract/tickets.ts';
import type { StorePort } from './ports.ts';

const TabMemory = z.object({
  /** The invitation that the rest belongs to; another link opened in the same tab is another person. */
  invite: z.string(),
  ticket: z.string().max(MAX_TOKEN_LENGTH),
  links: z.object({ student: z.string(), watch: z.string() }).nullable(),
  name: z.string(),
  /** Whether the person was in the room. */
  joined: z.boolean(),
  /** Whether the person agreed to be recorded, where that is asked. */
  consents: z.boolean().default(false),
  camera: z.boolean(),
  microphone: z.boolean(),
  /** Whether a screen was shared. It cannot be shared again without the person, but missed. */
  screen: z.boolean().default(false),
});
export type TabMemory = z.infer<typeof TabMemory>;

const keyOf = (lesson: string) => `lectern:class:${lesson}`;

/** What this tab knows of `lesson` under `invite`; undefined if nothing. */
export function recall(store: StorePort, lesson: string, invite: string): TabMemory | undefined {
  const text = store.get(keyOf(lesson));
  if (text === null) return undefined;
  try {
    const memory = TabMemory.safeParse(JSON.parse(text));
    return memory.success && memory.data.invite === invite ? memory.data : undefined;
  } catch {
    return undefined;
  }
}

export function remember(store: StorePort, lesson: string, memory: TabMemory): void {
  store.set(keyOf(lesson), JSON.stringify(memory));
}

/**
 * Reads the claims of a ticket (RFC 7519) without checking its signature: only the server's check
 * counts, this is for the page to know what to offer. Undefined if it cannot be read.
 */
export function readTicket(ticket: string): Ticket | undefined {
  const payload = ticket.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
    const claims = Ticket.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return claims.success ? claims.data : undefined;
  } catch {
    return undefined;
  }
}
