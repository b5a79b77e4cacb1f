import { SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useWords } from '../../../i18n/words';
import type { ArgumentProblem, ArgumentSpec, Typed } from './arguments';

interface ArgumentFieldsProps {
  specs: readonly ArgumentSpec[];
  typed: Typed;
  problems: Record<string, ArgumentProblem>;
  onChange: (name: string, value: string) => void;
}

/** One field for each argument, of its kind. */
export function ArgumentFields({ specs, typed, problems, onChange }: ArgumentFieldsProps) {
  const { t } = useTranslation('device');
  const words = useWords();
  return (
    <Stack gap="sm">
      {specs.map((spec) => {
        const label = words.point(spec.name);
        const value = typed[spec.name] ?? '';
        const problem = problems[spec.name];
        const error = value !== '' && problem ? t(`argument.${problem}`) : undefined;
        if (spec.kind === 'flag') {
          return (
            <div key={spec.name}>
              <Text size="sm" mb={4}>
                {label}
              </Text>
              <SegmentedControl
                aria-label={label}
                value={value}
                onChange={(next) => onChange(spec.name, next)}
                data={[
                  { value: 'true', label: t('argument.on') },
                  { value: 'false', label: t('argument.off') },
                ]}
              />
            </div>
          );
        }
        if (spec.choices.length > 0) {
          return (
            <Select
              key={spec.name}
              label={label}
              required={spec.required}
              value={value || null}
              data={spec.choices.map((choice) => ({ value: choice, label: words.state(choice) }))}
              onChange={(next) => onChange(spec.name, next ?? '')}
            />
          );
        }
        const hasRange = spec.min !== null || spec.max !== null;
        return (
          <TextInput
            key={spec.name}
            label={label}
            description={
              hasRange ? t('argument.range', { min: spec.min ?? '…', max: spec.max ?? '…' }) : undefined
            }
            required={spec.required}
            inputMode={spec.kind === 'text' ? 'text' : 'decimal'}
            maxLength={500}
            error={error}
            value={value}
            onChange={(event) => onChange(spec.name, event.currentTarget.value)}
          />
        );
      })}
    </Stack>
  );
}
