/** Asks for what an act on alarms needs: an end and a reason, a person, words. */
import { Chip, Group, Select, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSession } from '../../api/session';
import { FormDialog } from '../../ui/form-dialog';
import { serverNow } from '../../ui/now';
import { timeText } from '../../ui/time';
import { useZone } from '../../ui/zone';
import type { ActRequest, Deed } from './types';

const HOUR_MS = 3_600_000;
const SPANS = { '1h': 1, '4h': 4, '12h': 12, '1d': 24, '3d': 72, '7d': 168 } as const;
type SpanName = keyof typeof SPANS;

interface ActDialogProps {
  deed: Deed;
  ids: string[];
  site: string | null;
  run: (request: ActRequest) => Promise<unknown>;
  onClose: () => void;
}

/** Somebody to whom an alarm can be given. */
interface Assignee {
  id: string;
  name: string;
}

function Shelve({ span, onSpan, zone }: { span: SpanName; onSpan: (span: SpanName) => void; zone: string }) {
  const { t } = useTranslation('alarms');
  return (
    <div>
      <Text size="sm" fw={500} mb={4}>
        {t('ask.until')}
      </Text>
      <Chip.Group value={span} onChange={(value) => onSpan(value as SpanName)}>
        <Group gap={6}>
          {(Object.keys(SPANS) as SpanName[]).map((each) => (
            <Chip key={each} value={each} size="xs">
              {t(`ask.for.${each}`)}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      <Text size="xs" c="dimmed" mt={4}>
        {t('ask.untilTime', { time: timeText(serverNow() + SPANS[span] * HOUR_MS, zone, 'minute') })}
      </Text>
    </div>
  );
}

function useAssignees(site: string | null): { people: Assignee[]; failed: boolean } {
  const { data, isError } = useQuery({
    queryKey: ['assignees', { site }],
    queryFn: async () => (await api.get<{ items: Assignee[] }>('/alarms/assignees', { site })).items,
    retry: false,
  });
  return { people: data ?? [], failed: isError };
}

function Assign({ site, to, onTo }: { site: string | null; to: string; onTo: (to: string) => void }) {
  const { t } = useTranslation('alarms');
  const me = useSession();
  const { people, failed } = useAssignees(site);
  const others = people.filter(({ id }) => id !== me.id).map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Select
      label={t('ask.to')}
      description={failed ? t('ask.assigneesFailed') : undefined}
      data={[
        { value: me.id, label: t('ask.toMe', { name: me.display_name }) },
        ...others,
        { value: '', label: t('ask.toNobody') },
      ]}
      value={to}
      allowDeselect={false}
      searchable
      onChange={(value) => onTo(value ?? '')}
    />
  );
}

export function ActDialog({ deed, ids, site, run, onClose }: ActDialogProps) {
  const { t } = useTranslation('alarms');
  const me = useSession();
  const zone = useZone(site);
  const [text, setText] = useState('');
  const [span, setSpan] = useState<SpanName>('4h');
  const [to, setTo] = useState(me.id);
  const words = text.trim();
  const needsWords = deed === 'shelve' || deed === 'comment';
  const request = (): ActRequest => {
    if (deed === 'shelve')
      return { ids, do: deed, until_ms: Math.round(serverNow() + SPANS[span] * HOUR_MS), reason: words };
    if (deed === 'assign') return { ids, do: deed, to: to || null };
    if (deed === 'close') return { ids, do: deed, ...(words ? { text: words } : {}) };
    if (deed === 'comment') return { ids, do: deed, text: words };
    return { ids, do: deed };
  };
  const label = { shelve: t('ask.reason'), comment: t('ask.text'), close: t('ask.closeReason') }[
    deed as string
  ];
  const hint = { shelve: t('ask.reasonHint'), comment: t('ask.textHint'), close: t('ask.closeReasonHint') }[
    deed as string
  ];
  const about = {
    shelve: t('ask.shelveHelp'),
    close: t('ask.closeText'),
    acknowledge: t('ask.acknowledgeText'),
  }[deed as string];
  return (
    <FormDialog
      title={t(`ask.${deed}`, { count: ids.length })}
      submit={t(`act.${deed}`)}
      disabled={needsWords && words === ''}
      onSubmit={() => run(request())}
      onClose={onClose}
    >
      {about && (
        <Text size="sm" c="dimmed">
          {about}
        </Text>
      )}
      {deed === 'shelve' && <Shelve span={span} onSpan={setSpan} zone={zone} />}
      {deed === 'assign' && <Assign site={site} to={to} onTo={setTo} />}
      {label && (
        <Textarea
          data-autofocus
          label={label}
          placeholder={hint ?? ''}
          required={needsWords}
          maxLength={500}
          autosize
          minRows={2}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.currentTarget.form?.requestSubmit();
            }
          }}
        />
      )}
    </FormDialog>
  );
}
