/** A small button with a picture, for what can be done with the things of a page. */
import { Button } from '@mantine/core';
import type { Icon } from './icons';

interface ToolButtonProps {
  icon: Icon;
  onClick: () => void;
  children: React.ReactNode;
}

export function ToolButton({ icon: Picture, onClick, children }: ToolButtonProps) {
  return (
    <Button size="xs" variant="default" leftSection={<Picture size={15} />} onClick={onClick}>
      {children}
    </Button>
  );
}
