/** What the desk shows, how it is grouped and ordered. Everything of it stands in the address. */
import { Button, Group, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { type RefObject, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useWords } from '../../i18n/words';
import { AreaSelect } from '../../ui/area-select';
import { IconClose, IconFilter, IconSearch } from '../../ui/icons';
import { usePhone } from '../../ui/phone';
import { timeText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import { useClassIds } from './classes';
import { type DeskParams, GROUPS, narrowing, ORDERS, VIEWS } from './search';

interface FilterBarProps {
  site: string | null;
  params: DeskParams;
  onChange: (change: Partial<DeskParams>) => void;
  searchRef: RefObject<HTMLInputElement | null>;
}

/** What can only come with an address, such as that of a device's alarms; it can be taken back here. */
const FROM_ELSEWHERE = ['device', 'condition', 'rule', 'from', 'to'] as const;

export function FilterBar({ site, params, onChange, searchRef }: FilterBarProps) {
  const { t } = useTranslation('alarms');
  const words = useWords();
  const isPhone = usePhone();
  const zone = useZone(site);
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState(params.q);
  useEffect(() => setTyped(params.q), [params.q]);
  const search = useDebouncedCallback((q: string) => onChange({ q }), 300);
  const ids = new Set(useClassIds(site));
  if (params.class) ids.add(params.class);
  const classes = [...ids].map((value) => ({ value, label: words.class(value) }));
  classes.sort((a, b) => a.label.localeCompare(b.label, words.language));
  const narrowed = narrowing(params);
  const clear = () => {
    const empty = narrowed.map((key) => [key, key === 'from' || key === 'to' ? null : '']);
    onChange(Object.fromEntries(empty) as Partial<DeskParams>);
  };
  const options = <T extends string>(prefix: string, values: readonly T[]) =>
    values.map((value) => ({ value, label: t(`${prefix}.${value}`) }));
  const choice = (
    label: string,
    value: string,
    data: { value: string; label: string }[],
    set: (value: string) => void,
  ) => (
    <Select
      size="xs"
      w={isPhone ? '100%' : 132}
      aria-label={label}
      data={data}
      value={value}
      allowDeselect={false}
      onChange={(next) => set(next ?? '')}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
    />
  );
  const more = (
    <>
      <Select
        size="xs"
        w={isPhone ? '100%' : 150}
        aria-label={t('filter.class')}
        placeholder={t('filter.anyClass')}
        data={classes}
        value={params.class || null}
        clearable
        searchable
        onChange={(value) => onChange({ class: value ?? '' })}
      />
      <AreaSelect
        size="xs"
        w={isPhone ? '100%' : 150}
        aria-label={t('filter.area')}
        placeholder={t('filter.anyArea')}
        site={site}
        value={params.area}
        onChange={(area) => onChange({ area })}
      />
      {choice(
        t('filter.acknowledged'),
        params.acknowledged,
        [
          { value: '', label: `${t('filter.acknowledged')}: ${t('filter.any')}` },
          { value: 'false', label: t('filter.unacknowledged') },
          { value: 'true', label: t('filter.acknowledgedOnly') },
        ],
        (value) => onChange({ acknowledged: value as DeskParams['acknowledged'] }),
      )}
      {choice(
        t('filter.assigned'),
        params.assigned,
        [
          { value: '', label: t('filter.anyone') },
          { value: 'me', label: t('filter.me') },
          { value: 'none', label: t('filter.nobody') },
          ...(['', 'me', 'none'].includes(params.assigned)
            ? []
            : [{ value: params.assigned, label: params.assigned }]),
        ],
        (assigned) => onChange({ assigned }),
      )}
      {choice(t('group.label'), params.group, options('group', GROUPS), (group) =>
        onChange({ group: group as DeskParams['group'] }),
      )}
      {choice(t('order.label'), params.order, options('order', ORDERS), (order) =>
        onChange({ order: order as DeskParams['order'] }),
      )}
    </>
  );
  const describe = (key: (typeof FROM_ELSEWHERE)[number]) => {
    if (key === 'from' || key === 'to')
      return t(`filter.${key}`, { time: timeText(params[key] ?? 0, zone, 'minute') });
    return t(`filter.${key}`, { id: key === 'condition' ? words.condition(params[key]) : params[key] });
  };
  return (
    <Group gap="xs" wrap="wrap">
      {isPhone ? (
        <Select
          size="xs"
          style={{ flex: 1, minWidth: '6.5rem' }}
          aria-label={t('list')}
          data={options('view', VIEWS)}
          value={params.view}
          allowDeselect={false}
          onChange={(view) => onChange({ view: view as DeskParams['view'] })}
        />
      ) : (
        <SegmentedControl
          size="xs"
          data={options('view', VIEWS)}
          value={params.view}
          onChange={(view) => onChange({ view: view as DeskParams['view'] })}
        />
      )}
      <TextInput
        ref={searchRef}
        size="xs"
        type="search"
        style={{ flex: '1 1 8rem', maxWidth: isPhone ? undefined : 260 }}
        aria-label={t('filter.search')}
        placeholder={t('filter.search')}
        leftSection={<IconSearch size={14} />}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          search(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      {isPhone ? (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconFilter size={14} />}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {t('filter.more')}
        </Button>
      ) : (
        more
      )}
      {isPhone && isOpen && more}
      {FROM_ELSEWHERE.filter((key) => narrowed.includes(key)).map((key) => (
        <Button
          key={key}
          size="compact-xs"
          variant="light"
          rightSection={<IconClose size={11} />}
          onClick={() => onChange({ [key]: key === 'from' || key === 'to' ? null : '' })}
        >
          {describe(key)}
        </Button>
      ))}
      {narrowed.length > 0 && (
        <Button size="compact-xs" variant="subtle" onClick={clear}>
          {t('filter.clear')}
        </Button>
      )}
    </Group>
  );
}
