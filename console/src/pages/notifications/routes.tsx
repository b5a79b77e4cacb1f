/** Which alarms are told to whom, and after how long without an answer. */
import { Button, Group, Text } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { ConfirmDialog } from '../../ui/confirm';
import { IconEdit, IconPlus, IconTrash } from '../../ui/icons';
import { Panel } from '../../ui/page';
import { EmptyState, LoadingState, ProblemState } from '../../ui/states';
import { channelsQuery, routesQuery } from './data';
import { RouteDialog } from './route-dialog';
import classes from './routes.module.css';
import type { Route } from './types';

function useRouteWords() {
  const { t } = useTranslation(['notifications', 'people']);
  const words = useWords();
  const sites = useSites();
  const { data: channels } = useQuery(channelsQuery);
  const siteName = (id: string) => words.name(sites.find((site) => site.id === id)?.name, id);
  const channelName = (id: string) => channels?.find((channel) => channel.id === id)?.name ?? id;
  const matched = ({ match }: Route) => {
    const parts = [
      ...match.sites.map(siteName),
      ...match.areas,
      ...match.classes.map(words.class),
      ...match.conditions.map(words.condition),
    ];
    if (match.min_severity) parts.unshift(t('route.from', { severity: words.severity(match.min_severity) }));
    return parts.length > 0 ? parts.join(' · ') : t('route.everything');
  };
  const told = (step: Route['steps'][number]) => {
    const roles = step.roles.map((role) => t(`people:role.${role}`));
    const people = [...roles, ...step.users];
    return [step.channels.map(channelName).join(', '), people.join(', ')]
      .filter((part) => part !== '')
      .join(' → ');
  };
  return { matched, told };
}

function RouteCard({
  route,
  mayChange,
  onEdit,
  onDelete,
}: {
  route: Route;
  mayChange: boolean;
  onEdit: () => void;
  onDelete: () => void;
}) {
  const { t } = useTranslation('notifications');
  const words = useWords();
  const { matched, told } = useRouteWords();
  const { quiet } = route;
  return (
    <li className={classes.route}>
      <div className={classes.routeHead}>
        <strong>{route.name}</strong>
        {!route.enabled && <ToneBadge tone="off">{t('channel.disabled')}</ToneBadge>}
        <span className="k-dim">{matched(route)}</span>
        {mayChange && (
          <Group gap={4} ml="auto">
            <Button
              size="compact-sm"
              variant="subtle"
              aria-label={`${t('route.edit')}: ${route.name}`}
              onClick={onEdit}
            >
              <IconEdit size={14} />
            </Button>
            <Button
              size="compact-sm"
              variant="subtle"
              color="red"
              aria-label={`${t('route.delete')}: ${route.name}`}
              onClick={onDelete}
            >
              <IconTrash size={14} />
            </Button>
          </Group>
        )}
      </div>
      <ol className={classes.steps}>
        {route.steps.map((step, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
          <li key={at}>
            <span className="k-dim">
              {step.after_minutes === 0
                ? t('route.atOnce')
                : t('route.afterMinutes', { count: step.after_minutes })}
            </span>
            <span>{told(step)}</span>
          </li>
        ))}
      </ol>
      {(quiet || route.repeat_minutes) && (
        <div className={classes.small}>
          {[
            quiet &&
              t('route.quietText', {
                from: quiet.from,
                to: quiet.to,
                severity: words.severity(quiet.below_severity),
              }),
            route.repeat_minutes && t('route.repeatText', { count: route.repeat_minutes }),
          ]
            .filter((part) => part)
            .join(' · ')}
        </div>
      )}
    </li>
  );
}

export function Routes({ mayChange }: { mayChange: boolean }) {
  const { t } = useTranslation('notifications');
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(routesQuery);
  const { data: channels } = useQuery(channelsQuery);
  const [editing, setEditing] = useState<Route | 'new' | null>(null);
  const [deleting, setDeleting] = useState<Route | null>(null);
  const hasChannel = (channels?.length ?? 0) > 0;
  const add = mayChange && (
    <Button
      size="xs"
      leftSection={<IconPlus size={14} />}
      disabled={!hasChannel}
      title={hasChannel ? undefined : t('route.needChannel')}
      onClick={() => setEditing('new')}
    >
      {t('route.new')}
    </Button>
  );
  return (
    <Panel title={t('tab.routes')} aside={add} flush>
      {error && !data && <ProblemState error={error} retry={() => void refetch()} />}
      {!data && !error && <LoadingState rows={4} />}
      {data?.length === 0 && <EmptyState title={t('route.empty')} text={t('route.emptyText')} />}
      <ul className={classes.routes}>
        {data?.map((route) => (
          <RouteCard
            key={route.id}
            route={route}
            mayChange={mayChange}
            onEdit={() => setEditing(route)}
            onDelete={() => setDeleting(route)}
          />
        ))}
      </ul>
      {editing && <RouteDialog route={editing === 'new' ? null : editing} onClose={() => setEditing(null)} />}
      <ConfirmDialog
        opened={deleting !== null}
        danger
        title={t('route.deleteTitle', { name: deleting?.name })}
        confirm={t('route.delete')}
        onClose={() => setDeleting(null)}
        onConfirm={async () => {
          await api.delete(`/notification-routes/${encodeURIComponent(deleting?.id ?? '')}`);
          await client.invalidateQueries({ queryKey: ['notification-routes'] });
        }}
      >
        <Text size="sm">{t('route.deleteText')}</Text>
      </ConfirmDialog>
    </Panel>
  );
}
