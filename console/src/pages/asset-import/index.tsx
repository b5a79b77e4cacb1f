/** Import of assets: choose a file, look at what would change and at every row that is wrong, then apply exactly that. */
import { Button, FileButton, Group, Select, Table, Text } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type DragEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api } from '../../api/client';
import { useSites } from '../../api/lists';
import { useSite } from '../../app/site';
import { useWords } from '../../i18n/words';
import { ToneBadge } from '../../ui/badges';
import { IconCheck, IconUpload } from '../../ui/icons';
import { useGo } from '../../ui/link';
import { PageBody, PageHeader, Panel } from '../../ui/page';
import { ProblemState, useProblemText } from '../../ui/states';
import type { ImportPreview } from '../assets/types';
import { valueText } from '../assets/value-text';
import classes from './import.module.css';

const KINDS = { create: 'ok', update: 'calm', unchanged: 'off' } as const;
/** Most rows of errors that are drawn; the count is told. */
const SHOWN = 500;

function formatOf(file: File): 'csv' | 'xlsx' | null {
  const name = file.name.toLowerCase();
  return name.endsWith('.csv') ? 'csv' : name.endsWith('.xlsx') ? 'xlsx' : null;
}

export default function ImportPage() {
  const { t } = useTranslation('assets');
  const words = useWords();
  const go = useGo();
  const client = useQueryClient();
  const problemText = useProblemText();
  const sites = useSites();
  const [chosen] = useSite();
  const [site, setSite] = useState<string | null>(chosen);
  const [file, setFile] = useState<File | null>(null);
  const [preview, setPreview] = useState<ImportPreview | null>(null);
  const [busy, setBusy] = useState<'look' | 'apply' | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [isOver, setOver] = useState(false);
  const [isDone, setDone] = useState(false);
  const isUnknown = file !== null && formatOf(file) === null;

  const look = async (picked: File | null, at: string | null) => {
    setFile(picked);
    setPreview(null);
    setProblem(null);
    setDone(false);
    const format = picked && formatOf(picked);
    if (!picked || !format) return;
    setBusy('look');
    try {
      const query = { format, dry_run: true, site: at };
      setPreview(await api.post<ImportPreview>('/assets/import', new Blob([picked]), query));
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(null);
    }
  };

  const apply = async () => {
    if (!preview?.token) return;
    setBusy('apply');
    setProblem(null);
    try {
      await api.post(`/assets/import/${encodeURIComponent(preview.token)}`);
      for (const key of ['assets', 'areas', 'topology', 'sites', 'asset', 'devices']) {
        void client.invalidateQueries({ queryKey: [key] });
      }
      setDone(true);
    } catch (error) {
      setProblem(error);
    } finally {
      setBusy(null);
    }
  };

  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void look(event.dataTransfer.files[0] ?? null, site);
  };
  const count = preview ? preview.creates + preview.updates : 0;
  return (
    <PageBody>
      <PageHeader title={t('importTitle')} description={t('importText')} />
      <Panel>
        <div
          className={classes['drop']}
          data-over={isOver || undefined}
          role="group"
          aria-label={t('drop')}
          onDragOver={(event) => {
            event.preventDefault();
            setOver(true);
          }}
          onDragLeave={() => setOver(false)}
          onDrop={onDrop}
        >
          <Select
            label={t('importSite')}
            description={t('importSiteHelp')}
            data={sites.map((each) => ({ value: each.id, label: words.name(each.name, each.id) }))}
            value={site}
            onChange={(value) => {
              setSite(value);
              if (file) void look(file, value);
            }}
            clearable
            searchable
          />
          <FileButton onChange={(picked) => void look(picked, site)} accept=".csv,.xlsx">
            {(props) => (
              <Button {...props} leftSection={<IconUpload size={16} />} loading={busy === 'look'}>
                {t('choose')}
              </Button>
            )}
          </FileButton>
          <span className="k-dim">{file ? file.name : t('drop')}</span>
        </div>
        {isUnknown && (
          <Text c="var(--k-bad)" role="alert">
            {t('unknownFormat')}
          </Text>
        )}
      </Panel>
      {problem !== null && !preview && <ProblemState error={problem} />}
      {preview && (
        <>
          <Panel
            title={t('preview')}
            aside={
              <Group gap="xs">
                <ToneBadge tone="ok">{t('creates', { count: preview.creates })}</ToneBadge>
                <ToneBadge tone="calm">{t('updates', { count: preview.updates })}</ToneBadge>
                <ToneBadge tone="off">{t('unchanged', { count: preview.unchanged })}</ToneBadge>
                <ToneBadge tone={preview.errors.length > 0 ? 'bad' : 'off'}>
                  {t('errors', { count: preview.errors.length })}
                </ToneBadge>
              </Group>
            }
          >
            <Group gap="sm">
              {!isDone && (
                <Button
                  leftSection={<IconCheck size={16} />}
                  disabled={!preview.token || count === 0}
                  loading={busy === 'apply'}
                  onClick={() => void apply()}
                >
                  {t('apply', { count })}
                </Button>
              )}
              {isDone && (
                <>
                  <ToneBadge tone="ok" shape={<IconCheck size={12} />}>
                    {t('done', { count })}
                  </ToneBadge>
                  <Button onClick={() => go('/assets')}>{t('toList')}</Button>
                </>
              )}
              {preview.errors.length > 0 && <span className="k-dim">{t('errorsText')}</span>}
              {problem !== null && (
                <Text c="var(--k-bad)" role="alert">
                  {problemText(problem)}
                </Text>
              )}
            </Group>
          </Panel>
          {preview.errors.length > 0 && (
            <Panel title={t('errors', { count: preview.errors.length })} flush>
              <div className={classes['scroll']}>
                <Table aria-label={t('errors', { count: preview.errors.length })}>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{t('row')}</Table.Th>
                      <Table.Th>{t('column')}</Table.Th>
                      <Table.Th>{t('problem')}</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {preview.errors.slice(0, SHOWN).map((error) => (
                      <Table.Tr key={`${error.row} ${error.column} ${error.text.en}`}>
                        <Table.Td className="k-num">{error.row}</Table.Td>
                        <Table.Td>{error.column}</Table.Td>
                        <Table.Td>{words.name(error.text, '')}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </div>
            </Panel>
          )}
          <Panel title={t('previewRows', { shown: preview.preview.length, count: preview.rows })} flush>
            <div className={classes['scroll']}>
              <PreviewTable preview={preview} />
            </div>
          </Panel>
        </>
      )}
    </PageBody>
  );
}

function PreviewTable({ preview }: { preview: ImportPreview }) {
  const { t, i18n } = useTranslation('assets');
  const fieldName = (field: string) =>
    i18n.exists(`field.${field}`, { ns: 'assets' }) ? t(`field.${field}`) : field;
  return (
    <Table aria-label={t('preview')}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('row')}</Table.Th>
          <Table.Th>{t('what')}</Table.Th>
          <Table.Th>{t('key')}</Table.Th>
          <Table.Th>{t('changes')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {preview.preview.map((row) => (
          <Table.Tr key={`${row.row} ${row.key}`}>
            <Table.Td className="k-num">{row.row}</Table.Td>
            <Table.Td>
              <ToneBadge tone={KINDS[row.what]}>{t(`kind.${row.what}`)}</ToneBadge>
            </Table.Td>
            <Table.Td>{row.key}</Table.Td>
            <Table.Td className={classes['changes']}>
              {row.changes.map((change) => (
                <span key={change.field}>
                  <span className="k-dim">{fieldName(change.field)}</span>{' '}
                  {row.what === 'update' && `${valueText(change.from)} → `}
                  {valueText(change.to)}
                </span>
              ))}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
