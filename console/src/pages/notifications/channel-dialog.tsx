import { Group, NumberInput, Select, Switch, Textarea, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { FormDialog } from '../../ui/form-dialog';
import { FIELDS, type Field, fromForm, missing, toForm } from './fields';
import { type Channel, KINDS, type Kind } from './types';

interface FieldInputProps {
  field: Field;
  value: string;
  onChange: (value: string) => void;
}

function FieldInput({ field, value, onChange }: FieldInputProps) {
  const { t } = useTranslation('notifications');
  const label = t(`field.${field.label ?? field.name}`);
  const description = field.help
    ? t(`field.${field.help}`)
    : field.name.endsWith('_secret')
      ? t('channel.secretHelp')
      : null;
  const common = { label, description, required: field.required === true };
  if (field.type === 'choice') {
    const named = field.name === 'tls';
    const data = (field.choices ?? []).map((choice) => ({
      value: choice,
      label: named ? t(`field.tls_${choice}`) : choice,
    }));
    return (
      <Select
        {...common}
        data={data}
        value={value}
        allowDeselect={false}
        onChange={(next) => onChange(next ?? '')}
      />
    );
  }
  if (field.type === 'lines' || field.type === 'pairs' || field.type === 'area') {
    return (
      <Textarea
        {...common}
        autosize
        minRows={2}
        maxRows={10}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    );
  }
  return (
    <TextInput
      {...common}
      inputMode={field.type === 'number' ? 'numeric' : 'text'}
      autoComplete="off"
      value={value}
      onChange={(event) =>
        onChange(
          field.type === 'number' ? event.currentTarget.value.replace(/\D/g, '') : event.currentTarget.value,
        )
      }
    />
  );
}

export function ChannelDialog({ channel, onClose }: { channel: Channel | null; onClose: () => void }) {
  const { t } = useTranslation('notifications');
  const client = useQueryClient();
  const [kind, setKind] = useState<Kind>(channel?.kind ?? 'email');
  const [name, setName] = useState(channel?.name ?? '');
  const [enabled, setEnabled] = useState(channel?.enabled ?? true);
  const [language, setLanguage] = useState<'zh' | 'en'>(channel?.language ?? 'zh');
  const [rate, setRate] = useState<number>(channel?.rate_per_hour ?? 60);
  const [form, setForm] = useState(() => toForm(kind, channel?.settings ?? {}));
  const choose = (next: Kind) => {
    setKind(next);
    setForm(toForm(next, fromForm(kind, form)));
  };
  const save = async () => {
    const settings = fromForm(kind, form);
    const body = { name: name.trim(), kind, enabled, language, rate_per_hour: rate, settings };
    if (channel) {
      // What this form does not show, such as own words of messages, stays as it is.
      const { id, settings: _, ...rest } = channel;
      await api.put(`/notification-channels/${encodeURIComponent(id)}`, { ...rest, ...body });
    } else await api.post('/notification-channels', body);
    await client.invalidateQueries({ queryKey: ['notification-channels'] });
  };
  return (
    <FormDialog
      title={t(channel ? 'channel.edit' : 'channel.new')}
      submit={t(channel ? 'save' : 'create')}
      size="lg"
      disabled={name.trim() === '' || missing(kind, form).length > 0}
      onSubmit={save}
      onClose={onClose}
    >
      <Group grow align="flex-start">
        <TextInput
          data-autofocus
          label={t('channel.name')}
          placeholder={t('channel.nameHint')}
          required
          maxLength={64}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Select
          label={t('channel.kind')}
          data={KINDS.map((value) => ({ value, label: t(`kind.${value}`) }))}
          value={kind}
          allowDeselect={false}
          onChange={(value) => choose(value as Kind)}
        />
      </Group>
      {FIELDS[kind].map((field) => (
        <FieldInput
          key={`${kind} ${field.name}`}
          field={field}
          value={form[field.name] ?? ''}
          onChange={(value) => setForm((before) => ({ ...before, [field.name]: value }))}
        />
      ))}
      <Group grow align="flex-start">
        <Select
          label={t('channel.language')}
          data={(['zh', 'en'] as const).map((value) => ({ value, label: t(`language.${value}`) }))}
          value={language}
          allowDeselect={false}
          onChange={(value) => setLanguage(value as 'zh' | 'en')}
        />
        <NumberInput
          label={`${t('channel.rate')} (${t('channel.perHour')})`}
          description={t('channel.rateHelp')}
          min={1}
          max={3600}
          value={rate}
          onChange={(value) => setRate(Number(value) || 1)}
        />
      </Group>
      <Switch
        label={t('channel.enabled')}
        checked={enabled}
        onChange={(event) => setEnabled(event.currentTarget.checked)}
      />
    </FormDialog>
  );
}
