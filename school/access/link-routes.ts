// `/lessons/:id/links/:link`: a link that got into wrong hands is replaced.
import { createRoute, z } from '@hono/zod-openapi';
import { LecternError } from '#shared/contract/errors.ts';
import { LessonId } from '#shared/contract/ids.ts';
import { LinkReplace, LinkReplaced } from '#shared/contract/rest.ts';
import { LinkName } from '#shared/contract/links.ts';
import type { MiddlewareHandler } from 'hono';
import { ANYONE, asJson, jsonBody, refusals, type Api, type ApiEnv } from '../http/api.ts';
import type { Links } from '../lessons/links.ts';
import { ADMISSION_REFUSALS, requireLesson, type Admission } from '../people/admission.ts';
import type { AccessService } from './service.ts';

export interface LinkRoutes {
  access: AccessService;
  admission: Admission;
  links: Links;
  limit: MiddlewareHandler<ApiEnv>;
}

const params = z.object({ lesson: LessonId, link: LinkName });

export function addLinkRoutes(api: Api, { access, admission, links, limit }: LinkRoutes): void {
  api.openapi(
    createRoute({
      method: 'post',
      path: '/lessons/{lesson}/links/{link}',
      tags: ['access'],
      security: ANYONE,
      middleware: limit,
      summary: 'Replace a link of a lesson: the old one lets nobody in any more; those inside stay.',
      description:
        'For the owner, and with the invitation of a teacher; the link for teachers is replaced by the owner ' +
        'alone. A new watch link ends every playback address as well.',
      request: { params, body: jsonBody(LinkReplace) },
      responses: {
        200: asJson('The new link.', LinkReplaced),
        ...refusals(...ADMISSION_REFUSALS, 'conflict', 'rate-limited'),
      },
    }),
    async (context) => {
      const { lesson, link } = context.req.valid('param');
      const claimed = requireLesson(await admission.read(context, context.req.valid('json').invite), lesson);
      const isOwner = claimed === null;
      if (!isOwner && (claimed.role !== 'teacher' || link === 'teacher')) throw new LecternError('forbidden');
      const { links: versions, applied } = await access.replaceLink(lesson, link);
      return context.json({ url: (await links.ofLesson(lesson, versions))[link], applied }, 200);
    },
  );
}
