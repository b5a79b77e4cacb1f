import {
  Button,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useRight } from '../../api/session';
import type { Page } from '../../api/types';
import { useWords } from '../../i18n/words';
import { AreaMultiSelect } from '../../ui/area-select';
import { ClockField } from '../../ui/date-fields';
import { FormDialog } from '../../ui/form-dialog';
import { IconPlus, IconTrash } from '../../ui/icons';
import { useClassIds } from '../alarms/classes';
import { SEVERITIES, type Severity } from '../alarms/types';
import { ROLES } from '../people/types';
import { channelsQuery } from './data';
import classes from './routes.module.css';
import type { Quiet, Route, RouteStep } from './types';

const NEW_STEP: RouteStep = { after_minutes: 0, channels: [], roles: [], users: [] };
const QUIET: Quiet = { from: '22:00', to: '07:00', below_severity: 'major', days: [1, 2, 3, 4, 5, 6, 7] };

interface StepProps {
  step: RouteStep;
  at: number;
  onChange: (step: RouteStep) => void;
  onRemove: (() => void) | null;
}

function StepForm({ step, at, onChange, onRemove }: StepProps) {
  const { t } = useTranslation(['notifications', 'people']);
  const { data: channels } = useQuery(channelsQuery);
  const mayList = useRight('admin');
  const { data: users } = useQuery({
    queryKey: ['users'],
    queryFn: async () => (await api.get<Page<{ id: string; display_name: string }>>('/users')).items,
    enabled: mayList,
  });
  const people = (users ?? []).map(({ id, display_name }) => ({ value: id, label: display_name }));
  for (const id of step.users)
    if (!people.some(({ value }) => value === id)) people.push({ value: id, label: id });
  return (
    <Stack gap="xs" className={classes.step}>
      <Group justify="space-between">
        <strong>{t('route.step', { number: at + 1 })}</strong>
        {onRemove && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            aria-label={t('route.removeStep')}
            onClick={onRemove}
          >
            <IconTrash size={13} />
          </Button>
        )}
      </Group>
      <NumberInput
        label={`${t('route.after')} (${t('route.minutes')})`}
        min={0}
        max={10_080}
        value={step.after_minutes}
        onChange={(value) => onChange({ ...step, after_minutes: Number(value) || 0 })}
      />
      <MultiSelect
        label={t('route.channels')}
        required
        data={(channels ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        value={step.channels}
        onChange={(value) => onChange({ ...step, channels: value })}
      />
      <Group grow align="flex-start">
        <MultiSelect
          label={t('route.roles')}
          data={ROLES.map((role) => ({ value: role, label: t(`people:role.${role}`) }))}
          value={step.roles}
          onChange={(value) => onChange({ ...step, roles: value })}
        />
        <MultiSelect
          label={t('route.users')}
          data={people}
          value={step.users}
          searchable
          disabled={!mayList && step.users.length === 0}
          onChange={(value) => onChange({ ...step, users: value })}
        />
      </Group>
    </Stack>
  );
}

function QuietForm({ quiet, onChange }: { quiet: Quiet | null; onChange: (quiet: Quiet | null) => void }) {
  const { t } = useTranslation(['notifications', 'maintenance']);
  const words = useWords();
  return (
    <Stack gap="xs">
      <Switch
        label={t('route.quietOn')}
        checked={quiet !== null}
        onChange={(event) => onChange(event.currentTarget.checked ? QUIET : null)}
      />
      {quiet && (
        <>
          <Group grow align="flex-end">
            <ClockField
              label={t('route.quietFrom')}
              value={quiet.from}
              onChange={(from) => onChange({ ...quiet, from })}
            />
            <ClockField
              label={t('route.quietTo')}
              value={quiet.to}
              onChange={(to) => onChange({ ...quiet, to })}
            />
            <Select
              label={t('route.quietBelow')}
              data={SEVERITIES.filter((value) => value !== 'info').map((value) => ({
                value,
                label: words.severity(value),
              }))}
              value={quiet.below_severity}
              allowDeselect={false}
              onChange={(value) => onChange({ ...quiet, below_severity: value as Severity })}
            />
          </Group>
          <Checkbox.Group
            label={t('route.quietDays')}
            value={quiet.days.map(String)}
            onChange={(days) => onChange({ ...quiet, days: days.map(Number).sort() })}
          >
            <Group gap="sm" mt={4}>
              {[1, 2, 3, 4, 5, 6, 7].map((day) => (
                <Checkbox key={day} size="xs" value={String(day)} label={t(`maintenance:weekday.${day}`)} />
              ))}
            </Group>
          </Checkbox.Group>
        </>
      )}
    </Stack>
  );
}

export function RouteDialog({ route, onClose }: { route: Route | null; onClose: () => void }) {
  const { t } = useTranslation('notifications');
  const words = useWords();
  const client = useQueryClient();
  const sites = useSites();
  const [name, setName] = useState(route?.name ?? '');
  const [enabled, setEnabled] = useState(route?.enabled ?? true);
  const [match, setMatch] = useState<Route['match']>(
    route?.match ?? { sites: [], areas: [], classes: [], min_severity: 'major', conditions: [] },
  );
  const [steps, setSteps] = useState<RouteStep[]>(route?.steps ?? [NEW_STEP]);
  const [quiet, setQuiet] = useState<Quiet | null>(route?.quiet ?? null);
  const [repeat, setRepeat] = useState<number | null>(route?.repeat_minutes ?? null);
  const known = new Set([...useClassIds(null), ...match.classes]);
  const save = async () => {
    const inOrder = [...steps].sort((a, b) => a.after_minutes - b.after_minutes);
    const body = { name: name.trim(), enabled, match, steps: inOrder, quiet, repeat_minutes: repeat };
    if (route) {
      const revision = route.revision === undefined ? {} : { revision: route.revision };
      await api.put(`/notification-routes/${encodeURIComponent(route.id)}`, { ...body, ...revision });
    } else await api.post('/notification-routes', body);
    await client.invalidateQueries({ queryKey: ['notification-routes'] });
  };
  const change = (at: number, step: RouteStep) =>
    setSteps(steps.map((each, index) => (index === at ? step : each)));
  return (
    <FormDialog
      title={t(route ? 'route.edit' : 'route.new')}
      submit={t(route ? 'save' : 'create')}
      size="lg"
      disabled={name.trim() === '' || steps.some((step) => step.channels.length === 0)}
      onSubmit={save}
      onClose={onClose}
    >
      <TextInput
        data-autofocus
        label={t('route.name')}
        placeholder={t('route.nameHint')}
        required
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Text fw={600}>{t('route.match')}</Text>
      <Group grow align="flex-start">
        <Select
          label={t('route.min_severity')}
          placeholder={t('route.all')}
          clearable
          data={SEVERITIES.map((value) => ({ value, label: words.severity(value) }))}
          value={match.min_severity}
          onChange={(value) => setMatch({ ...match, min_severity: value as Severity | null })}
        />
        <MultiSelect
          label={t('route.sites')}
          placeholder={match.sites.length === 0 ? t('route.all') : ''}
          data={sites.map((site) => ({ value: site.id, label: words.name(site.name, site.id) }))}
          value={match.sites}
          onChange={(value) => setMatch({ ...match, sites: value })}
        />
      </Group>
      <MultiSelect
        label={t('route.classes')}
        placeholder={match.classes.length === 0 ? t('route.all') : ''}
        searchable
        data={[...known].filter((id) => id !== '').map((id) => ({ value: id, label: words.class(id) }))}
        value={match.classes}
        onChange={(value) => setMatch({ ...match, classes: value })}
      />
      <Group grow align="flex-start">
        <AreaMultiSelect
          label={t('route.areas')}
          description={t('route.areasHelp')}
          placeholder={match.areas.length === 0 ? t('route.all') : ''}
          sites={match.sites}
          value={match.areas}
          onChange={(value) => setMatch({ ...match, areas: value })}
        />
        <TagsInput
          label={t('route.conditions')}
          description={t('route.oneEach')}
          value={match.conditions}
          onChange={(value) => setMatch({ ...match, conditions: value })}
        />
      </Group>
      <Text fw={600}>{t('route.steps')}</Text>
      {steps.map((step, at) => (
        <StepForm
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
          key={at}
          step={step}
          at={at}
          onChange={(next) => change(at, next)}
          onRemove={steps.length > 1 ? () => setSteps(steps.filter((_, index) => index !== at)) : null}
        />
      ))}
      <Group justify="space-between" gap="xs">
        <Text size="xs" c="dimmed">
          {t('route.personal')}
        </Text>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={13} />}
          onClick={() =>
            setSteps([...steps, { ...NEW_STEP, after_minutes: (steps.at(-1)?.after_minutes ?? 0) + 10 }])
          }
        >
          {t('route.addStep')}
        </Button>
      </Group>
      <Text fw={600}>{t('route.repeat')}</Text>
      <Switch
        label={t('route.repeatOn')}
        checked={repeat !== null}
        onChange={(event) => setRepeat(event.currentTarget.checked ? 60 : null)}
      />
      {repeat !== null && (
        <NumberInput
          label={`${t('route.repeatEvery')} (${t('route.minutes')})`}
          min={5}
          max={10_080}
          value={repeat}
          onChange={(value) => setRepeat(Number(value) || 60)}
        />
      )}
      <Text fw={600}>{t('route.quiet')}</Text>
      <QuietForm quiet={quiet} onChange={setQuiet} />
      <Switch
        label={t('route.enabled')}
        checked={enabled}
        onChange={(event) => setEnabled(event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
