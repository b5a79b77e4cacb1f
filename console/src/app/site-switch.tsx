import { Menu } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useSites } from '../api/lists';
import { useWords } from '../i18n/words';
import { IconCheck, IconDown, IconPin } from '../ui/icons';
import classes from './shell.module.css';
import { useSite } from './site';

/** Chooses the site that all pages are about. */
export function SiteSwitch() {
  const { t } = useTranslation('common');
  const words = useWords();
  const sites = useSites();
  const [site, choose] = useSite();
  const nameOf = (id: string) => words.name(sites.find((each) => each.id === id)?.name, id);
  const only = sites.length === 1 ? sites[0] : undefined;
  if (only && !site) {
    return (
      <span className={classes['tool']} style={{ cursor: 'default' }}>
        <IconPin size={16} />
        <span className={classes['site']}>{nameOf(only.id)}</span>
      </span>
    );
  }
  return (
    <Menu position="bottom-start" width={280}>
      <Menu.Target>
        <button type="button" className={classes['tool']} aria-label={t('site.choose')}>
          <IconPin size={16} />
          <span className={classes['site']}>{site ? nameOf(site) : t('site.all')}</span>
          <IconDown size={13} />
        </button>
      </Menu.Target>
      <Menu.Dropdown mah="70vh" style={{ overflowY: 'auto' }}>
        <Menu.Item onClick={() => choose(null)} rightSection={!site && <IconCheck size={14} />}>
          {t('site.all')}
        </Menu.Item>
        <Menu.Divider />
        {sites.map((each) => (
          <Menu.Item
            key={each.id}
            onClick={() => choose(each.id)}
            rightSection={each.id === site && <IconCheck size={14} />}
          >
            {nameOf(each.id)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
