/** The frame around all pages: navigation, the chosen site, the state of the stream, alarms, the person. */
import { AppShell, Burger, Group } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useRouterState } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { AlarmCounter } from './alarm-counter';
import { ConnectionState, StaleBanner } from './connection-state';
import { Navigation } from './navigation';
import { LanguageSwitch, SchemeSwitch } from './preferences';
import classes from './shell.module.css';
import { SiteSwitch } from './site-switch';
import { UserMenu } from './user-menu';

export function Shell({ children }: { children: React.ReactNode }) {
  const { t } = useTranslation('common');
  const [isOpen, drawer] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: whoever went somewhere is done with the drawer
  useEffect(() => drawer.close(), [path]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 208, breakpoint: 'sm', collapsed: { mobile: !isOpen } }}
      padding={0}
    >
      <a className={classes['skip']} href="#content">
        {t('skip')}
      </a>
      <AppShell.Header className={classes['header'] ?? ''}>
        <Group h="100%" px="sm" gap="xs" wrap="nowrap" justify="space-between">
          <Group gap="xs" wrap="nowrap" miw={0}>
            <Burger
              opened={isOpen}
              onClick={drawer.toggle}
              hiddenFrom="sm"
              size="sm"
              color="var(--k-shell-ink)"
              aria-label={t('menu')}
              aria-expanded={isOpen}
            />
            <Brand />
            <SiteSwitch />
          </Group>
          <Group gap={6} wrap="nowrap">
            <ConnectionState />
            <AlarmCounter />
            <Group gap={2} wrap="nowrap" visibleFrom="xs">
              <LanguageSwitch />
              <SchemeSwitch />
            </Group>
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes['navbar'] ?? ''} aria-label={t('menu')}>
        <Navigation />
        <Group hiddenFrom="xs" gap="xs" p="sm">
          <LanguageSwitch />
          <SchemeSwitch />
        </Group>
      </AppShell.Navbar>
      <AppShell.Main id="content" className={classes['main'] ?? ''} tabIndex={-1}>
        <StaleBanner />
        {children}
      </AppShell.Main>
    </AppShell>
  );
}

/** A gate in a quay, and the name. */
export function Brand() {
  const { t } = useTranslation('common');
  return (
    <span className={classes['brand']}>
      <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#0d6573" />
        <path d="M7 24V12l9-5 9 5v12" fill="none" stroke="#fff" strokeWidth="2.2" strokeLinejoin="round" />
        <path d="M11.5 24v-9M20.5 24v-9M16 15v4" stroke="#8fd3dc" strokeWidth="2.2" strokeLinecap="round" />
        <path d="M5 25.500h22" stroke="#fff" strokeWidth="2.2" strokeLinecap="round" />
      </svg>
      <span className={classes['brandName']}>{t('product')}</span>
    </span>
  );
}
