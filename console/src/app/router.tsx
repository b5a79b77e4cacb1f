/** Addresses and the pages behind them. */

import { useQuery } from '@tanstack/react-query';
import {
  type AnyRoute,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  useSearch,
} from '@tanstack/react-router';
import { NO_SITES, SitesContext, sitesQuery } from '../api/lists';
import { LoadingState } from '../ui/states';
import { Broken } from './error-boundary';
import { NotFound } from './not-found';
import type { PageEntry } from './page';
import { pages } from './pages';
import { parseSearch, stringifySearch } from './params';
import { RightNeeded } from './right-needed';
import { Shell } from './shell';
import { SiteContext } from './site';

function Root() {
  const search = useSearch({ strict: false }) as Record<string, string>;
  const sites = useQuery(sitesQuery).data;
  return (
    <SitesContext value={sites ?? NO_SITES}>
      <SiteContext value={search['site'] || null}>
        <Outlet />
      </SiteContext>
    </SitesContext>
  );
}

const root = createRootRoute({
  component: Root,
  notFoundComponent: () => (
    <Shell>
      <NotFound />
    </Shell>
  ),
  errorComponent: ({ error, reset }) => <Broken error={error} reset={reset} />,
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: () => (
    <Shell>
      <Outlet />
    </Shell>
  ),
});

function route(entry: PageEntry) {
  const Page = lazyRouteComponent(entry.load);
  const right = entry.right ?? 'read';
  return createRoute({
    getParentRoute: (): AnyRoute => (entry.bare ? root : shell),
    path: entry.path,
    component: () => (
      <RightNeeded right={right}>
        <Page />
      </RightNeeded>
    ),
    loader: () => Page.preload?.(),
    pendingComponent: LoadingState,
  });
}

const inShell: AnyRoute[] = pages.filter((page) => !page.bare).map(route);
const bare: AnyRoute[] = pages.filter((page) => page.bare).map(route);

export const router = createRouter({
  routeTree: (root as AnyRoute).addChildren([(shell as AnyRoute).addChildren(inShell), ...bare]),
  parseSearch,
  stringifySearch,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultPendingMs: 300,
});
