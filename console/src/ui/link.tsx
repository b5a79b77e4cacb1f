/** Links within the console. The chosen site travels along. */
import { useRouter } from '@tanstack/react-router';
import { type CSSProperties, type MouseEvent, type ReactNode, useCallback, useContext } from 'react';
import { stringifySearch } from '../app/params';
import { SiteContext } from '../app/site';

interface AppLinkProps {
  /** `/devices/d-1`. */
  to: string;
  search?: Record<string, string>;
  className?: string;
  style?: CSSProperties;
  title?: string;
  tabIndex?: number;
  /** It leads to the page that is shown. */
  current?: boolean;
  onClick?: (event: MouseEvent) => void;
  children: ReactNode;
}

/** Whether the browser itself should follow the link: into another tab, or to be saved. */
function isForBrowser(event: MouseEvent): boolean {
  return (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  );
}

/** A plain anchor: lists draw hundreds of them while somebody scrolls. */
export function AppLink({ to, search, className, current, onClick, children, ...rest }: AppLinkProps) {
  const site = useContext(SiteContext);
  const router = useRouter();
  const whole = { ...(site ? { site } : {}), ...search };
  // Lists draw hundreds of links; most have nothing to write behind the address.
  const query = site || search ? stringifySearch(whole) : '';
  const follow = (event: MouseEvent) => {
    onClick?.(event);
    if (isForBrowser(event)) return;
    event.preventDefault();
    void router.navigate({ to, search: whole } as never);
  };
  const preload = () => void router.preloadRoute({ to } as never).catch(() => undefined);
  return (
    <a
      {...rest}
      href={to + query}
      className={className ?? 'k-link'}
      aria-current={current ? 'page' : undefined}
      data-active={current || undefined}
      onClick={follow}
      onFocus={preload}
      onPointerEnter={preload}
    >
      {children}
    </a>
  );
}

/** Goes somewhere, the chosen site with it. */
export function useGo(): (to: string, search?: Record<string, string>) => void {
  const router = useRouter();
  const site = useContext(SiteContext);
  return useCallback(
    (to, search) => {
      void router.navigate({ to, search: { ...(site ? { site } : {}), ...search } } as never);
    },
    [router, site],
  );
}
