/** Links within the console. The chosen site travels along. */
import { Link, type LinkProps, useNavigate } from '@tanstack/react-router';
import type { CSSProperties, MouseEvent, ReactNode } from 'react';
import { useCallback } from 'react';
import { useSite } from '../app/site';

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

export function AppLink({ to, search, className, current, children, ...rest }: AppLinkProps) {
  const [site] = useSite();
  const target = { to, search: { ...(site ? { site } : {}), ...search } } as unknown as LinkProps;
  return (
    <Link
      {...target}
      {...rest}
      className={className ?? 'k-link'}
      aria-current={current ? 'page' : undefined}
      data-active={current || undefined}
    >
      {children}
    </Link>
  );
}

/** Goes somewhere, the chosen site with it. */
export function useGo(): (to: string, search?: Record<string, string>) => void {
  const navigate = useNavigate();
  const [site] = useSite();
  return useCallback(
    (to, search) => {
      void navigate({ to, search: { ...(site ? { site } : {}), ...search } } as never);
    },
    [navigate, site],
  );
}
