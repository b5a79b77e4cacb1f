import { describe, expect, it } from 'vitest';
import { destination, FIELDS, fromForm, missing, toForm } from './fields';
import { KINDS } from './types';

describe('settings of a channel', () => {
  it('come back from the form as they were', () => {
    const email = {
      host: 'mail.example',
      tls: 'tls',
      port: 465,
      from: 'noc@example.cn',
      to: ['a@example.cn', 'b@example.cn'],
    };
    expect(fromForm('email', toForm('email', email))).toEqual(email);
    const sms = {
      url: 'https://sms.example/send',
      method: 'POST',
      content: 'json',
      body: '{"phone":"{phone}","text":"{text}"}',
      headers: { 'X-App': 'kouan:1' },
      success: { pointer: '/code', equals: 0 },
      to: [],
    };
    expect(fromForm('sms', toForm('sms', sms))).toEqual(sms);
  });

  it('leave out what was left empty', () => {
    const form = { ...toForm('webhook', {}), url: ' https://a.example ', sign_secret: ' ' };
    expect(fromForm('webhook', form)).toEqual({ url: 'https://a.example' });
    expect(missing('webhook', toForm('webhook', {}))).toEqual(['url']);
    expect(missing('webhook', form)).toEqual([]);
  });

  it('keep words that a gateway answers as words, and numbers as numbers', () => {
    const form = {
      url: 'https://a.example/{phone}/{text}',
      'success.pointer': '/state',
      'success.equals': 'OK',
    };
    expect(fromForm('sms', form).success).toEqual({ pointer: '/state', equals: 'OK' });
    expect(fromForm('sms', { ...form, 'success.equals': 'true' }).success).toEqual({
      pointer: '/state',
      equals: true,
    });
  });

  it('are asked for for every kind, and say where messages go without the key', () => {
    for (const kind of KINDS) expect(FIELDS[kind].some(({ required }) => required)).toBe(true);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a secret is named in an address
    expect(destination('wecom', { url: 'https://qyapi.example/send?key=${secret:robot}' })).toBe(
      'qyapi.example',
    );
    expect(destination('email', { host: 'mail.example', to: ['a@b.cn'] })).toBe('mail.example → a@b.cn');
  });
});
