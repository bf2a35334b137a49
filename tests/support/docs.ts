// Code blocks of the project's own pages, for tests that run them as they are written.

/** The fenced blocks of `language` in a Markdown text (CommonMark 0.31, 4.5), without their fences. */
export function codeBlocks(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\S*)\n([^]*?)^```$/gm)]
    .filter(([, info]) => info === language)
    .map(([, , code = '']) => code);
}
