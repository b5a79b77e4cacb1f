import {
  Button,
  Group,
  Modal,
  MultiSelect,
  SegmentedControl,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import type { Device, Page } from '../../api/types';
import { useWords } from '../../i18n/words';
import { serverNow } from '../../ui/now';
import { useProblemText } from '../../ui/states';
import { localMs, localText } from '../../ui/time';
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
  const { data: areas } = useQuery({
    queryKey: ['areas', { site: draft.site }],
    queryFn: async () => {
      const page = await api.get<Page<{ id: string; name: string; path?: string[] }>>('/areas', {
        site: draft.site,
        limit: 1000,
      });
      return page.items;
    },
    enabled: draft.scope === 'area' && draft.site !== '',
    retry: false,
  });
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
        <Select
          label={t('form.area')}
          required
          searchable
          disabled={draft.site === ''}
          data={(areas ?? []).map((area) => ({
            value: area.path?.join('/') || area.name,
            label: area.path?.join(' / ') || area.name,
          }))}
          value={draft.area || null}
          onChange={(area) => change({ area: area ?? '' })}
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
        <TextInput
          type="time"
          label={t('form.timeFrom')}
          value={repeat.from}
          onChange={(event) => set({ from: event.currentTarget.value })}
        />
        <TextInput
          type="time"
          label={t('form.timeTo')}
          value={repeat.to}
          onChange={(event) => set({ to: event.currentTarget.value })}
        />
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
  const problemText = useProblemText();
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
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const [isTried, setTried] = useState(false);
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const wrong = wrongWith(draft);
  const save = async () => {
    setTried(true);
    if (wrong.length > 0) return;
    setBusy(true);
    setProblem(null);
    try {
      await api.post('/maintenance', requestOf(draft));
      await client.invalidateQueries({ queryKey: ['maintenance'] });
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const shown = (ms: number | null) =>
    ms === null ? '' : localText(ms, zone).slice(0, 16).replace(' ', 'T');
  const setRepeating = (isRepeating: boolean) => {
    const from = draft.from_ms ?? serverNow();
    change({ isRepeating, to_ms: from + (isRepeating ? 3 * MONTH_MS : 2 * HOUR_MS) });
  };
  return (
    <Modal opened onClose={busy ? () => {} : onClose} title={t('form.title')} size="lg">
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void save();
        }}
      >
        <Stack gap="sm">
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
            <TextInput
              type="datetime-local"
              required
              label={t(draft.isRepeating ? 'form.begins' : 'form.from')}
              value={shown(draft.from_ms)}
              onChange={(event) => change({ from_ms: localMs(event.currentTarget.value, zone) })}
            />
            <TextInput
              type="datetime-local"
              required
              label={t(draft.isRepeating ? 'form.until' : 'form.to')}
              value={shown(draft.to_ms)}
              onChange={(event) => change({ to_ms: localMs(event.currentTarget.value, zone) })}
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
          {isTried && wrong.length > 0 && (
            <Text c="var(--k-bad)" size="sm" role="alert">
              {wrong.map((key) => t(`wrong.${key}`)).join(' · ')}
            </Text>
          )}
          {problem !== null && (
            <Text c="var(--k-bad)" size="sm" role="alert">
              {problemText(problem)}
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose} disabled={busy}>
              {t('form.cancel')}
            </Button>
            <Button type="submit" loading={busy}>
              {t('form.create')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
