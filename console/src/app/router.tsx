/** Addresses and the pages behind them. */
import {
  type AnyRoute,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
} from '@tanstack/react-router';
import { LoadingState } from '../ui/states';
import { Broken } from './error-boundary';
import { NotFound } from './not-found';
import type { PageEntry } from './page';
import { pages } from './pages';
import { parseSearch, stringifySearch } from './params';
import { RightNeeded } from './right-needed';
import { Shell } from './shell';

const root = createRootRoute({
  component: Outlet,
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
