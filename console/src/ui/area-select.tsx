/** Choosing areas by their path, `Hall A / Lane 1`, from those that there are. What lies within is meant with it. */
import { Autocomplete, MultiSelect, Select, type SelectProps } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useAreaPaths } from '../api/areas';
import { currentLanguage } from '../i18n';

type Look = Pick<
  SelectProps,
  'label' | 'description' | 'required' | 'disabled' | 'placeholder' | 'size' | 'w'
> & {
  'aria-label'?: string;
};

interface AreaSelectProps extends Look {
  /** Whose areas; `null` for those of all sites. */
  site: string | null;
  /** A path, or nothing. */
  value: string;
  onChange: (path: string) => void;
}

/** What was chosen stays among the choices, whatever became of the area since. */
function withChosen(paths: readonly string[], chosen: readonly string[]): string[] {
  return [...chosen.filter((path) => path !== '' && !paths.includes(path)), ...paths];
}

/** One area of those there are. */
export function AreaSelect({ site, value, onChange, ...look }: AreaSelectProps) {
  const { t } = useTranslation('common');
  const paths = useAreaPaths(site, currentLanguage(), look.disabled !== true);
  return (
    <Select
      {...look}
      data={withChosen(paths, [value])}
      value={value || null}
      onChange={(path) => onChange(path ?? '')}
      searchable
      clearable={!look.required}
      clearButtonProps={{ 'aria-label': t('clear') }}
      nothingFoundMessage={t('noArea')}
      comboboxProps={{ width: 'max-content', position: 'bottom-start' }}
      limit={200}
    />
  );
}

/** An area that there is, or the name of one that there is not yet. */
export function AreaInput({ site, value, onChange, ...look }: AreaSelectProps) {
  const paths = useAreaPaths(site, currentLanguage());
  return (
    <Autocomplete {...look} data={[...paths]} value={value} onChange={onChange} maxLength={100} limit={200} />
  );
}

interface AreaMultiSelectProps extends Look {
  /** Only one site has its own areas listed; with several or none, those of all are. */
  sites: readonly string[];
  value: readonly string[];
  onChange: (paths: string[]) => void;
}

/** Several areas. */
export function AreaMultiSelect({ sites, value, onChange, ...look }: AreaMultiSelectProps) {
  const { t } = useTranslation('common');
  const only = sites.length === 1 ? (sites[0] ?? null) : null;
  const paths = useAreaPaths(only, currentLanguage());
  return (
    <MultiSelect
      {...look}
      data={withChosen(paths, value)}
      value={[...value]}
      onChange={onChange}
      searchable
      nothingFoundMessage={t('noArea')}
      limit={200}
    />
  );
}
