import '@mantine/core/styles.css';
import '@mantine/dates/styles.css';
import '@mantine/notifications/styles.css';
import './app/global.css';
import { createRoot } from 'react-dom/client';
import { App } from './app/app';
import { startLanguage } from './i18n';

const root = document.getElementById('root');
if (root) void startLanguage().then(() => createRoot(root).render(<App />));
