import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './app/global.css';
import { createRoot } from 'react-dom/client';
import { sessionQuery } from './api/session';
import { App } from './app/app';
import { queryClient } from './app/query-client';
import { router } from './app/router';
import { startLanguage } from './i18n';

// Words, session and the code of the page are fetched at once instead of one after the other.
void queryClient.prefetchQuery(sessionQuery);
void router.preloadRoute({ to: window.location.pathname } as never).catch(() => undefined);
const root = document.getElementById('root');
if (root) void startLanguage().then(() => createRoot(root).render(<App />));
