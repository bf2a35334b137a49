import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/** Where the development server finds the stack that `npm start` runs. */
const door = process.env['LECTERN_DOOR'] ?? 'http://localhost:8080';

export default defineConfig({
  root: 'web',
  plugins: [svelte({ configFile: '../svelte.config.js' })],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Phones that cannot be updated: Lightning CSS rewrites light-dark() and nesting for them.
    cssTarget: ['chrome100', 'safari15.4', 'firefox100'],
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/api': door,
      '/live': { target: door, ws: true },
      '/publish': { target: door, ws: true },
      '/socket.io': { target: door, ws: true },
      // `/replay/<recording>` alone is a page; what lies below it, and its files, are media.
      '^/replay/[^/]+(/|\\.(mp4|flv))': door,
    },
  },
});
