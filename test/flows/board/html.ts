export const escape = (text: string) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

export function button(action: string, label: string, values: Record<string, string> = {}): string {
  const hidden = Object.entries(values).map(
    ([n, v]) => `<input type="hidden" name="${n}" value="${escape(v)}">`,
  )
  return `<form method="post" action="${escape(action)}">${hidden.join('')}<button>${label}</button></form>`
}
