/** The areas of a site as a tree, to choose from and to change. */
import { ActionIcon, Button, Group, Menu, Select, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { areaPath } from '../../api/areas';
import { api } from '../../api/client';
import { useRight } from '../../api/session';
import type { Area } from '../../api/types';
import { ConfirmDialog } from '../../ui/confirm';
import { FormDialog } from '../../ui/form-dialog';
import { IconEdit, IconMore, IconPlus, IconTrash } from '../../ui/icons';
import { usePhone } from '../../ui/phone';
import classes from './plans.module.css';

interface TreeProps {
  site: string;
  areas: readonly Area[];
  chosen: string;
  onChoose: (id: string) => void;
}

/** Areas in the order of the tree. */
export function inOrder(areas: readonly Area[]): Area[] {
  const children = new Map<string | null, Area[]>();
  for (const area of areas) children.set(area.parent, [...(children.get(area.parent) ?? []), area]);
  const result: Area[] = [];
  const visit = (parent: string | null) => {
    const own = (children.get(parent) ?? []).sort(
      (a, b) => a.order - b.order || a.name.localeCompare(b.name, 'zh', { numeric: true }),
    );
    for (const area of own) {
      result.push(area);
      visit(area.id);
    }
  };
  visit(null);
  return result;
}

export function AreaTree({ site, areas, chosen, onChoose }: TreeProps) {
  const { t } = useTranslation('plans');
  const { t: common } = useTranslation('common');
  const isPhone = usePhone();
  const mayEdit = useRight('configure', site);
  const client = useQueryClient();
  const [open, setOpen] = useState<{ what: 'add' | 'rename' | 'delete'; area: Area | null } | null>(null);
  const ordered = inOrder(areas);
  const refresh = () => client.invalidateQueries({ queryKey: ['areas'] });
  const add = mayEdit && (
    <Button
      size="compact-sm"
      variant="default"
      leftSection={<IconPlus size={14} />}
      onClick={() => setOpen({ what: 'add', area: null })}
    >
      {t('addArea')}
    </Button>
  );
  return (
    <nav className={classes['tree']} aria-label={t('areas')}>
      <Group justify="space-between">
        <strong>{t('areas')}</strong>
        {add}
      </Group>
      {isPhone ? (
        <Select
          aria-label={t('areas')}
          data={ordered.map((area) => ({ value: area.id, label: areaPath(area) }))}
          value={chosen || null}
          onChange={(id) => id && onChoose(id)}
          searchable
        />
      ) : (
        <ul>
          {ordered.map((area) => (
            <li key={area.id} style={{ paddingInlineStart: `${(area.path.length - 1) * 0.9}rem` }}>
              <button
                type="button"
                className={classes['areaName']}
                aria-current={area.id === chosen || undefined}
                onClick={() => onChoose(area.id)}
              >
                {area.name} {area.plan && <span className="k-dim">▦</span>}
              </button>
              {mayEdit && (
                <Menu position="bottom-end">
                  <Menu.Target>
                    <ActionIcon
                      variant="subtle"
                      size="sm"
                      color="gray"
                      aria-label={t('areaMenu', { name: area.name })}
                    >
                      <IconMore size={14} />
                    </ActionIcon>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Item
                      leftSection={<IconPlus size={14} />}
                      onClick={() => setOpen({ what: 'add', area })}
                    >
                      {t('addBelow')}
                    </Menu.Item>
                    <Menu.Item
                      leftSection={<IconEdit size={14} />}
                      onClick={() => setOpen({ what: 'rename', area })}
                    >
                      {t('rename')}
                    </Menu.Item>
                    <Menu.Item
                      leftSection={<IconTrash size={14} />}
                      onClick={() => setOpen({ what: 'delete', area })}
                    >
                      {common('delete')}
                    </Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              )}
            </li>
          ))}
        </ul>
      )}
      {open && open.what !== 'delete' && (
        <AreaForm
          site={site}
          what={open.what}
          area={open.area}
          onClose={() => setOpen(null)}
          onDone={refresh}
        />
      )}
      <ConfirmDialog
        opened={open?.what === 'delete'}
        title={t('deleteArea', { name: open?.area?.name ?? '' })}
        confirm={common('delete')}
        danger
        onConfirm={async () => {
          await api.delete(`/areas/${encodeURIComponent(open?.area?.id ?? '')}`);
          await refresh();
        }}
        onClose={() => setOpen(null)}
      >
        {t('deleteAreaText')}
      </ConfirmDialog>
    </nav>
  );
}

interface FormProps {
  site: string;
  what: 'add' | 'rename';
  /** The area above the new one, or the one that is renamed. */
  area: Area | null;
  onClose: () => void;
  onDone: () => Promise<void>;
}

function AreaForm({ site, what, area, onClose, onDone }: FormProps) {
  const { t } = useTranslation('plans');
  const { t: common } = useTranslation('common');
  const [name, setName] = useState(what === 'rename' ? (area?.name ?? '') : '');
  const save = async () => {
    if (what === 'rename' && area) {
      const { parent, order } = area;
      const revision = area.revision === undefined ? {} : { revision: area.revision };
      const change = { parent, name: name.trim(), order, ...revision };
      await api.put(`/areas/${encodeURIComponent(area.id)}`, change);
    } else await api.post('/areas', { site, parent: area?.id ?? null, name: name.trim(), order: 0 });
    await onDone();
  };
  return (
    <FormDialog
      title={what === 'rename' ? t('rename') : t('addArea')}
      submit={common('save')}
      disabled={!name.trim()}
      onSubmit={save}
      onClose={onClose}
    >
      <TextInput
        label={t('areaNameLabel')}
        required
        maxLength={100}
        data-autofocus
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
    </FormDialog>
  );
}
