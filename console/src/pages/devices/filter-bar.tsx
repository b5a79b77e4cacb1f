/** What narrows the list: text, class, health, and what other pages asked for. */
import { Button, CloseButton, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { overviewQuery } from '../../api/lists';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { AreaSelect } from '../../ui/area-select';
import { LevelShape } from '../../ui/badges';
import { IconSearch } from '../../ui/icons';
import classes from './devices.module.css';
import { type DeviceParams, type SetDeviceParams, STANDINGS, type Standing } from './params';

/** Two beside each other on a phone. */
const HALF = { base: 'calc(50% - 0.25rem)', xs: 190 };

interface FilterBarProps {
  params: DeviceParams;
  set: SetDeviceParams;
}

export function FilterBar({ params, set }: FilterBarProps) {
  const { t } = useTranslation('devices');
  const words = useWords();
  const [site] = useSite();
  const { data } = useQuery(overviewQuery(site));
  const known = data?.classes.map((each) => each.class) ?? [];
  const ids = params.class && !known.includes(params.class) ? [...known, params.class] : known;
  const options = ids.map((id) => ({ value: id, label: words.class(id) }));
  options.sort((a, b) => a.label.localeCompare(b.label, words.language));
  const toggle = (level: Standing) => {
    const isOn = params.health.includes(level);
    set({ health: isOn ? params.health.filter((each) => each !== level) : [...params.health, level] });
  };
  const isFiltered = params.q !== '' || params.class !== '' || params.area !== '' || params.agent !== '';
  return (
    <div className={classes['filters']}>
      <SearchInput value={params.q} onChange={(q) => set({ q })} />
      <Select
        aria-label={t('class')}
        placeholder={t('allClasses')}
        data={options}
        value={params.class || null}
        onChange={(value) => set({ class: value ?? '' })}
        searchable
        clearable
        w={HALF}
        nothingFoundMessage={t('noClass')}
        clearButtonProps={{ 'aria-label': t('reset') }}
      />
      <AreaSelect
        aria-label={t('area')}
        placeholder={t('allAreas')}
        w={HALF}
        site={site}
        value={params.area}
        onChange={(area) => set({ area })}
      />
      <fieldset className={classes['levels']}>
        <legend className="k-hidden">{t('health')}</legend>
        {STANDINGS.map((level) => (
          <button
            key={level}
            type="button"
            className={classes['level']}
            aria-pressed={params.health.includes(level)}
            onClick={() => toggle(level)}
          >
            <LevelShape level={level === 'not_current' ? 'unknown' : level} />
            {words.health(level)}
            <span className={classes['levelCount']}>{data?.devices.by_level[level] ?? 0}</span>
          </button>
        ))}
      </fieldset>
      {params.agent && (
        <span className={classes['pill']}>
          {t('agent')}: {params.agent}
          <CloseButton size="xs" aria-label={t('reset')} onClick={() => set({ agent: '' })} />
        </span>
      )}
      {(isFiltered || params.health.length > 0) && (
        <Group gap={0}>
          <Button
            size="xs"
            variant="subtle"
            onClick={() => set({ q: '', class: '', area: '', agent: '', health: [] })}
          >
            {t('reset')}
          </Button>
        </Group>
      )}
    </div>
  );
}

function SearchInput({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { t } = useTranslation('devices');
  const [text, setText] = useState(value);
  const tell = useDebouncedCallback(onChange, 250);
  // The address may change by itself: a link, a step back, a reset.
  useEffect(() => setText(value), [value]);
  return (
    <TextInput
      type="search"
      aria-label={t('search')}
      placeholder={t('search')}
      leftSection={<IconSearch size={16} />}
      value={text}
      w={{ base: '100%', xs: 270 }}
      onChange={(event) => {
        setText(event.currentTarget.value);
        tell(event.currentTarget.value);
      }}
    />
  );
}
