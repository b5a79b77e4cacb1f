import { Group, MultiSelect, SegmentedControl, Select, Text, Textarea } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import type { Device, Page } from '../../api/types';
import { useWords } from '../../i18n/words';
import { AreaSelect } from '../../ui/area-select';
import { ClockField, MomentField } from '../../ui/date-fields';
import { FormDialog } from '../../ui/form-dialog';
import { serverNow } from '../../ui/now';
import { useZone } from '../../ui/zone';
import { useClassIds } from '../alarms/classes';
import { crossesMidnight, type Draft, type Repeat, requestOf, wrongWith } from './types';

interface Start {
  site: string;
  device: string;
  class: string;
  area: string;
}

interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
}

function DevicePicker({ draft, change }: PartProps) {
  const { t } = useTranslation('maintenance');
  const [typed, setTyped] = useState('');
  const [q] = useDebouncedValue(typed, 250);
  const { data } = useQuery({
    queryKey: ['device-choice', { q, site: draft.site }],
    queryFn: async () => (await api.get<Page<Device>>('/devices', { q, site: draft.site, limit: 30 })).items,
  });
  const choices = (data ?? []).map(({ id, label, site }) => ({
    value: id,
    label: `${label || id} · ${site}`,
  }));
  if (draft.device && !choices.some(({ value }) => value === draft.device)) {
    choices.unshift({ value: draft.device, label: draft.device });
  }
  return (
    <Select
      label={t('form.device')}
      placeholder={t('form.deviceHint')}
      required
      searchable
      data={choices}
      filter={({ options }) => options}
      value={draft.device || null}
      onSearchChange={setTyped}
      onChange={(device) => change({ device: device ?? '' })}
    />
  );
}

function Place({ draft, change }: PartProps) {
  const { t } = useTranslation('maintenance');
  const words = useWords();
  const sites = useSites();
  const classes = useClassIds(draft.site || null);
  if (draft.class && !classes.includes(draft.class)) classes.push(draft.class);
  return (
    <>
      <SegmentedControl
        fullWidth
        size="xs"
        data={(['site', 'area', 'class', 'device'] as const).map((value) => ({
          value,
          label: t(`scope.${value}`),
        }))}
        value={draft.scope}
        onChange={(scope) => change({ scope: scope as Draft['scope'] })}
      />
      {draft.scope !== 'device' && (
        <Select
          label={t('form.site')}
          required
          data={sites.map((site) => ({ value: site.id, label: words.name(site.name, site.id) }))}
          value={draft.site || null}
          allowDeselect={false}
          onChange={(site) => change({ site: site ?? '', area: '' })}
        />
      )}
      {draft.scope === 'area' && (
        <AreaSelect
          label={t('form.area')}
          required
          site={draft.site || null}
          disabled={draft.site === ''}
          value={draft.area}
          onChange={(area) => change({ area })}
        />
      )}
      {draft.scope === 'class' && (
        <Select
          label={t('form.class')}
          required
          searchable
          data={classes.map((id) => ({ value: id, label: words.class(id) }))}
          value={draft.class || null}
          onChange={(value) => change({ class: value ?? '' })}
        />
      )}
      {draft.scope === 'device' && <DevicePicker draft={draft} change={change} />}
    </>
  );
}

function RepeatForm({ draft, change }: PartProps) {
  const { t } = useTranslation('maintenance');
  const { repeat } = draft;
  const set = (part: Partial<Repeat>) => change({ repeat: { ...repeat, ...part } });
  const count = repeat.kind === 'weekly' ? 7 : 31;
  const dayName = (day: number) =>
    repeat.kind === 'weekly' ? t(`weekday.${day}`) : t('repeat.monthDay', { day });
  return (
    <>
      <Group grow align="flex-start">
        <Select
          label={t('form.every')}
          data={(['daily', 'weekly', 'monthly'] as const).map((value) => ({
            value,
            label: t(`form.${value}`),
          }))}
          value={repeat.kind}
          allowDeselect={false}
          onChange={(kind) => set({ kind: kind as Repeat['kind'], days: [] })}
        />
        <ClockField label={t('form.timeFrom')} value={repeat.from} onChange={(from) => set({ from })} />
        <ClockField label={t('form.timeTo')} value={repeat.to} onChange={(to) => set({ to })} />
      </Group>
      {crossesMidnight(repeat) && (
        <Text size="xs" c="dimmed">
          {t('form.nextDay')}
        </Text>
      )}
      {repeat.kind !== 'daily' && (
        <MultiSelect
          label={t('form.days')}
          placeholder={(repeat.days ?? []).length === 0 ? t('form.daysHint') : ''}
          data={Array.from({ length: count }, (_, at) => ({ value: String(at + 1), label: dayName(at + 1) }))}
          value={(repeat.days ?? []).map(String)}
          onChange={(days) => set({ days: days.map(Number).sort((a, b) => a - b) })}
        />
      )}
    </>
  );
}

const HOUR_MS = 3_600_000;
const MONTH_MS = 30 * 24 * HOUR_MS;

export function WindowDialog({ start, onClose }: { start: Start; onClose: () => void }) {
  const { t } = useTranslation('maintenance');
  const client = useQueryClient();
  const [draft, setDraft] = useState<Draft>(() => {
    const now = Math.floor(serverNow() / 60_000) * 60_000;
    const scope = start.device ? 'device' : start.class ? 'class' : start.area ? 'area' : 'site';
    const repeat: Repeat = { kind: 'weekly', days: [], from: '22:00', to: '23:00' };
    return {
      ...start,
      scope,
      isRepeating: false,
      from_ms: now,
      to_ms: now + 2 * HOUR_MS,
      repeat,
      reason: '',
    };
  });
  const zone = useZone(draft.site || null);
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const check = () => {
    const wrong = wrongWith(draft);
    return wrong.length > 0 ? wrong.map((key) => t(`wrong.${key}`)).join(' · ') : null;
  };
  const save = async () => {
    await api.post('/maintenance', requestOf(draft));
    await client.invalidateQueries({ queryKey: ['maintenance'] });
  };
  const setRepeating = (isRepeating: boolean) => {
    const from = draft.from_ms ?? serverNow();
    change({ isRepeating, to_ms: from + (isRepeating ? 3 * MONTH_MS : 2 * HOUR_MS) });
  };
  return (
    <FormDialog
      title={t('form.title')}
      submit={t('form.create')}
      size="lg"
      check={check}
      onSubmit={save}
      onClose={onClose}
    >
      <Place draft={draft} change={change} />
      <SegmentedControl
        size="xs"
        data={[
          { value: 'once', label: t('form.once') },
          { value: 'repeat', label: t('form.repeat') },
        ]}
        value={draft.isRepeating ? 'repeat' : 'once'}
        onChange={(value) => setRepeating(value === 'repeat')}
      />
      {draft.isRepeating && <RepeatForm draft={draft} change={change} />}
      <Group grow align="flex-start">
        <MomentField
          required
          label={t(draft.isRepeating ? 'form.begins' : 'form.from')}
          ms={draft.from_ms}
          zone={zone}
          onChange={(from_ms) => change({ from_ms })}
        />
        <MomentField
          required
          label={t(draft.isRepeating ? 'form.until' : 'form.to')}
          ms={draft.to_ms}
          zone={zone}
          onChange={(to_ms) => change({ to_ms })}
        />
      </Group>
      <Text size="xs" c="dimmed">
        {t('form.zone', { zone })}
      </Text>
      <Textarea
        label={t('form.reason')}
        placeholder={t('form.reasonHint')}
        required
        autosize
        minRows={2}
        maxLength={500}
        value={draft.reason}
        onChange={(event) => change({ reason: event.currentTarget.value })}
      />
    </FormDialog>
  );
}
