import { useRouterState } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useSession } from '../api/session';
import { AppLink } from '../ui/link';
import type { Group, PageEntry } from './page';
import { pages } from './pages';
import classes from './shell.module.css';

const GROUPS: readonly Group[] = ['watch', 'place', 'manage'];

/** Whether an address belongs to an entry: its own, or one below it. */
function isWithin(path: string, entry: PageEntry): boolean {
  return entry.path === '/' ? path === '/' : path === entry.path || path.startsWith(`${entry.path}/`);
}

export function Navigation() {
  const { t } = useTranslation('nav');
  const { rights } = useSession();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const entries = pages.filter((page) => page.nav && (!page.right || rights.includes(page.right)));
  // Of several that match, the longest: `/alarms/rules` is not `/alarms`.
  const within = entries.filter((entry) => isWithin(path, entry));
  const active = within.sort((a, b) => b.path.length - a.path.length)[0];
  return (
    <nav className={classes['nav']}>
      {GROUPS.map((group) => {
        const own = entries.filter((entry) => entry.nav?.group === group);
        if (own.length === 0) return null;
        return (
          <div key={group}>
            <div className={classes['group']}>{t(`group.${group}`)}</div>
            {own.map((entry) => {
              if (!entry.nav) return null;
              const { icon: Icon, word } = entry.nav;
              return (
                <AppLink
                  key={entry.path}
                  to={entry.path}
                  className={classes['item']}
                  current={entry === active}
                >
                  <Icon size={17} />
                  {t(word)}
                </AppLink>
              );
            })}
          </div>
        );
      })}
    </nav>
  );
}
