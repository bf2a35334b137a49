// Anyone who publishes needs the channel's stream key, and not one that was replaced.
import { checkPublishKey } from '#server/publish-key.ts';
import type { AccessRule } from '../decide.ts';

export function streamKey(secret: string): AccessRule {
  return {
    name: 'key',
    action: 'publish',
    judge({ resource, query }, { publishVersion, lesson }) {
      if (publishVersion === null) return { allow: false, code: 'room-closed' };
      const [, area, channel = ''] = resource.split('/');
      if (area !== 'live') return { allow: false, code: 'publish-key-invalid' };
      const found = checkPublishKey(secret, channel, query.get('key') ?? '', publishVersion);
      if (typeof found === 'string') return { allow: false, code: found };
      const isRight = lesson === '' || found.lesson === lesson;
      return isRight ? { allow: true } : { allow: false, code: 'publish-key-invalid' };
    },
  };
}
