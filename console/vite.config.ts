import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `KOUAN_COLLECTOR=http://127.0.0.1:8080 npm run dev` shows a running collector in the page under work.
const collector = process.env['KOUAN_COLLECTOR'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    sourcemap: false,
    // Chinese text needs no escapes, and fewer bytes travel.
    target: 'es2022',
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { '/api': { target: collector, changeOrigin: false } } },
  test: { include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] },
});
