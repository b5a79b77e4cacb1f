/** The frame of a page. */
import { Group, Title } from '@mantine/core';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './page.module.css';

interface PageHeaderProps {
  title: string;
  /** Beside the title: a badge, a count. */
  aside?: React.ReactNode;
  /** Under the title, in one line. */
  description?: React.ReactNode;
  /** To the right: buttons. */
  actions?: React.ReactNode;
}

/** The title of the page, which is also that of the window. */
export function PageHeader({ title, aside, description, actions }: PageHeaderProps) {
  const { t } = useTranslation('common');
  useEffect(() => {
    document.title = `${title} · ${t('product')}`;
  }, [title, t]);
  return (
    <header className={classes['header']}>
      <div className={classes['titles']}>
        <Group gap="sm" wrap="wrap">
          <Title order={1}>{title}</Title>
          {aside}
        </Group>
        {description && <div className={classes['description']}>{description}</div>}
      </div>
      {actions && (
        <Group gap="xs" wrap="wrap">
          {actions}
        </Group>
      )}
    </header>
  );
}

/** A page. `fill`: it is as high as the window, and what is inside scrolls (lists). */
export function PageBody({ fill, children }: { fill?: boolean; children: React.ReactNode }) {
  return (
    <div className={classes['body']} data-fill={fill || undefined}>
      {children}
    </div>
  );
}

interface PanelProps {
  title?: React.ReactNode;
  aside?: React.ReactNode;
  /** Without padding, for tables. */
  flush?: boolean;
  children: React.ReactNode;
}

/** A part of a page with a frame and a heading. */
export function Panel({ title, aside, flush, children }: PanelProps) {
  return (
    <section className={classes['panel']}>
      {(title || aside) && (
        <div className={classes['panelHead']}>
          <Title order={2}>{title}</Title>
          {aside}
        </div>
      )}
      <div className={flush ? undefined : classes['panelBody']}>{children}</div>
    </section>
  );
}
