// From what happened to what is said about it.
import { ENCODER_ID } from '#shared/domain/sources.ts';
import { classroom } from '../../i18n/classroom.ts';
import { adviceText } from '../../i18n/advice.ts';
import { devices } from '../../i18n/devices.ts';
import { explain } from '../../i18n/errors.ts';
import type { Notice } from '../../state/classroom.svelte.ts';
import type { CaptureKind, DeviceProblem } from '../../state/devices.svelte.ts';
import type { PeerView } from '../../state/room.svelte.ts';

/** Why a device cannot be used, and what to do. */
export function problemText(kind: CaptureKind, problem: DeviceProblem): string {
  return devices(`${problem}${kind === 'camera' ? 'Camera' : 'Microphone'}`);
}

/** What a device that stopped in class means, why it did, and what to do. */
export function lostText(kind: CaptureKind, problem: DeviceProblem): string {
  return `${devices(kind === 'camera' ? 'lostCamera' : 'lostMicrophone')} ${problemText(kind, problem)}`;
}

/** True for a program that publishes and gave no name of its own. */
const isNameless = ({ id, name }: { id: string; name: string }) => id === ENCODER_ID && name === 'Encoder';

/** What a person, or a program that publishes, is called. */
export const nameOf = (peer: { id: string; name: string }): string =>
  isNameless(peer) ? classroom('encoder') : peer.name;

/** What somebody is here for; null for students, who are the most, and where the name says it. */
export function partOf(peer: PeerView): string | null {
  if (peer.id === ENCODER_ID) return isNameless(peer) ? null : classroom('encoder');
  return peer.role === 'student' ? null : classroom(peer.role);
}

export interface Words {
  readonly text: string;
  readonly tone: 'info' | 'success' | 'danger';
}

/** The note for a notice; null for what needs none. */
export function noticeToast(notice: Exclude<Notice, { type: 'feature' }>): Words | null {
  switch (notice.type) {
    case 'peer-joined':
    case 'peer-left':
      return { text: comingText(notice.type, notice.names), tone: 'info' };
    case 'granted': {
      const has = (permission: string) => notice.permissions.some((one) => one === permission);
      if (has('publish:microphone')) return { text: classroom('grantedMicrophone'), tone: 'success' };
      if (has('publish:camera')) return { text: classroom('grantedCamera'), tone: 'success' };
      if (has('publish:screen')) return { text: classroom('grantedScreen'), tone: 'success' };
      return has('chat:send') ? { text: classroom('grantedChat'), tone: 'success' } : null;
    }
    case 'revoked': {
      if (notice.permissions.some((one) => one.startsWith('publish:'))) {
        return { text: classroom('revokedPublish'), tone: 'info' };
      }
      return notice.permissions.includes('chat:send')
        ? { text: classroom('revokedChat'), tone: 'info' }
        : null;
    }
    case 'muted':
      return { text: mutedText(notice.source), tone: 'info' };
    case 'blocked':
      return {
        text: notice.kind === 'screen' ? classroom('screenFailed') : problemText(notice.kind, notice.problem),
        tone: 'danger',
      };
    case 'advice':
      return { text: adviceText(notice.about), tone: 'info' };
    case 'fell-back':
      return { text: classroom('fellBack', { reason: explain(notice.code).title }), tone: 'danger' };
    case 'refused':
      return { text: classroom('publishRefused', { reason: explain(notice.code).title }), tone: 'danger' };
  }
}

function comingText(type: 'peer-joined' | 'peer-left', [name = '', ...others]: readonly string[]): string {
  const joined = type === 'peer-joined';
  if (others.length === 0) return classroom(joined ? 'joinedRoom' : 'leftRoom', { name });
  return classroom(joined ? 'manyJoined' : 'manyLeft', { count: others.length + 1 });
}

function mutedText(source: Extract<Notice, { type: 'muted' }>['source']): string {
  if (source === 'microphone') return classroom('mutedMicrophone');
  return source === 'camera' ? classroom('mutedCamera') : classroom('mutedScreen');
}
