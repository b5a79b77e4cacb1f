import { Kbd, Modal, SimpleGrid } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { KEYS } from './keys';

const SIGNS: Record<string, string> = { ArrowDown: '↓', ArrowUp: '↑', Escape: 'Esc', X: 'Shift X' };

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('alarms');
  return (
    <Modal opened onClose={onClose} title={t('keys.title')} size="lg">
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xl" verticalSpacing={6}>
        {KEYS.map(({ action, keys }) => (
          <div key={action} style={{ display: 'flex', justifyContent: 'space-between', gap: 12 }}>
            <span>{t(`keys.${action}`)}</span>
            <span style={{ whiteSpace: 'nowrap' }}>
              {keys.map((key) => (
                <Kbd key={key} ml={4}>
                  {SIGNS[key] ?? key}
                </Kbd>
              ))}
            </span>
          </div>
        ))}
      </SimpleGrid>
    </Modal>
  );
}
