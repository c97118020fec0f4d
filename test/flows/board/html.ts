export const escape = (text: string) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

export const button = (action: string, label: string) =>
  `<form method="post" action="${action}"><button>${label}</button></form>`
