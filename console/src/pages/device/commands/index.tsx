/** What the device can be told to do, and what it was told before. */
import { Button, Group, Modal } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { usePagedList } from '../../../api/lists';
import { useRight } from '../../../api/session';
import type { Command, DeviceDetail } from '../../../api/types';
import { useWords } from '../../../i18n/words';
import { type Column, DataTable } from '../../../ui/data-table';
import { Panel } from '../../../ui/page';
import { TimeText } from '../../../ui/time-text';
import classes from '../device.module.css';
import type { DeviceParams, SetDeviceParams } from '../params';
import type { ActionSpec } from './arguments';
import { CommandBadge, Outcome } from './outcome';
import { SendDialog } from './send-dialog';

interface CommandsTabProps {
  device: DeviceDetail;
  params: DeviceParams;
  set: SetDeviceParams;
}

export function CommandsTab({ device, params, set }: CommandsTabProps) {
  const { t } = useTranslation('device');
  const words = useWords();
  const mayCommand = useRight('command', device.site);
  const [action, setAction] = useState<ActionSpec | null>(null);
  const query = useMemo(() => ({ device: device.id }), [device.id]);
  const list = usePagedList<Command>(['commands'], '/commands', query);
  const columns = useMemo<readonly Column<Command>[]>(
    () => [
      {
        id: 'state',
        header: t('command.outcome'),
        width: '8rem',
        cell: (command) => <CommandBadge command={command} />,
      },
      {
        id: 'action',
        header: t('command.action'),
        width: '11rem',
        cell: (command) => words.action(command.action),
      },
      {
        id: 'arguments',
        header: t('command.arguments'),
        width: 'minmax(12rem, 1fr)',
        cell: (command) => <Arguments command={command} />,
      },
      { id: 'by', header: t('command.by'), width: '9rem', cell: (command) => command.requested_by },
      {
        id: 'created',
        header: t('time'),
        width: '11.5rem',
        cell: (command) => <TimeText ms={command.created_ms} site={command.site} />,
      },
      { id: 'why', header: t('command.why'), width: 'minmax(9rem, 1fr)', cell: (command) => command.why },
    ],
    [t, words],
  );
  return (
    <>
      <Panel title={t('command.title')}>
        {mayCommand ? (
          <Group gap="xs">
            {(device.actions as unknown as ActionSpec[]).map((each) => (
              <Button
                key={each.name}
                size="xs"
                variant={each.moves ? 'outline' : 'default'}
                color={each.moves ? 'orange' : 'harbor'}
                onClick={() => setAction(each)}
              >
                {words.action(each.name)}
              </Button>
            ))}
          </Group>
        ) : (
          <span className="k-dim">{t('command.noRight')}</span>
        )}
      </Panel>
      <div className={classes['tall']} style={{ marginTop: 'var(--mantine-spacing-sm)' }}>
        <DataTable
          label={t('tab.commands')}
          list={list}
          columns={columns}
          rowId={(command) => command.id}
          onOpen={(command) => set({ command: command.id }, { push: true })}
          card={(command) => (
            <>
              <Group justify="space-between" wrap="nowrap">
                <strong>{words.action(command.action)}</strong>
                <CommandBadge command={command} />
              </Group>
              <div className="k-dim">
                {command.requested_by} · <TimeText ms={command.created_ms} site={command.site} />
              </div>
            </>
          )}
          empty={{ title: t('command.empty'), text: t('command.emptyText') }}
        />
      </div>
      {action && <SendDialog device={device} action={action} onClose={() => setAction(null)} />}
      {params.command && (
        <Modal
          opened
          onClose={() => set({ command: '' })}
          title={t('command.detail')}
          closeButtonProps={{ 'aria-label': t('close') }}
        >
          <Outcome id={params.command} />
        </Modal>
      )}
    </>
  );
}

function Arguments({ command }: { command: Command }) {
  const words = useWords();
  const entries = Object.entries(command.arguments);
  return (
    <>{entries.map(([name, value]) => `${words.point(name)} ${words.state(String(value))}`).join(' · ')}</>
  );
}
