// The texts of chapters.
import { defineMessages } from '../../state/i18n.svelte.ts';

export const chapters = defineMessages({
  en: {
    chapters: 'Chapters',
    emptyTitle: 'No chapters yet',
    emptyMark: 'Mark where a part of the class begins: the replay can be opened there.',
    emptySee: 'The teacher marks here where a part of the class begins.',
    title: 'Title, if it needs one',
    mark: 'Mark chapter',
    offAir: 'Chapters can be marked while the class is live.',
    full: 'This class has as many chapters as it can have. Remove one to mark another.',
    numbered: 'Chapter {number}',
    rename: 'Rename {title}',
    remove: 'Remove {title}',
    renameTitle: 'Rename chapter',
    save: 'Save',
  },
  zh: {
    chapters: '章节',
    emptyTitle: '还没有章节',
    emptyMark: '在每个部分开始时标记章节，回放时可以直接跳到那里。',
    emptySee: '老师标记的章节会显示在这里。',
    title: '标题（选填）',
    mark: '标记章节',
    offAir: '直播时才能标记章节。',
    full: '本节课的章节已达上限，删除一个后可以继续标记。',
    numbered: '第 {number} 章',
    rename: '重命名“{title}”',
    remove: '删除“{title}”',
    renameTitle: '重命名章节',
    save: '保存',
  },
});
