/** Of a piece with the login page of the simulator. */
export const style = `
:root { color-scheme: light dark; --ink: #16211b; --soft: #56635b; --line: #d5ddd8; --paper: #fff; --back: #f1f5f2; --go: #04723a; --on-go: #fff; --stop: #a5281b }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8efea; --soft: #9aaba1; --line: #35433b; --paper: #1a231e; --back: #111814; --go: #3ecf7e; --on-go: #06130b; --stop: #ff9a8f }
}
* { box-sizing: border-box; min-width: 0 }
body { margin: 0; background: var(--back); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.5rem 3rem }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2 }
h2 { margin: 0 0 .75rem; font-size: 1.05rem }
p { margin: .25rem 0 0; overflow-wrap: anywhere }
.soft, small { color: var(--soft); font-size: .875rem }
code { font: .8125rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
.notice { margin-top: 1rem; padding: .6rem 1rem; border-left: 4px solid var(--go); background: var(--paper) }
.columns { display: grid; grid-template-columns: repeat(2, 1fr); gap: 1rem; margin-top: 1rem; align-items: start }
.column { display: grid; gap: 1rem }
section { padding: 1.25rem; border: 1px solid var(--line); border-radius: 12px; background: var(--paper) }
ul { margin: 0; padding: 0; list-style: none }
li + li { margin-top: .75rem; padding-top: .75rem; border-top: 1px solid var(--line) }
li small { display: block; overflow-wrap: anywhere }
li div { display: flex; justify-content: space-between; gap: 1rem }
dl { display: grid; grid-template-columns: 1fr auto; gap: .25rem 1rem; margin: 0; font-variant-numeric: tabular-nums }
dt { color: var(--soft) }
dd { margin: 0; text-align: right }
form { margin-top: .9rem }
.row { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end }
.row label { flex: 1 1 7rem }
.row .wide { flex-basis: 12rem }
.row .whole { flex-basis: 100% }
label { display: block; color: var(--soft); font-size: .8125rem }
input, select { display: block; width: 100%; height: 2.5rem; margin-top: .2rem; padding: 0 .6rem; border: 1px solid var(--line); border-radius: 8px; background: var(--back); color: var(--ink); font: .9375rem/1.5 system-ui, sans-serif }
button { min-height: 2.5rem; padding: 0 1rem; border: 1px solid var(--line); border-radius: 8px; background: none; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
.go { border-color: var(--go); background: var(--go); color: var(--on-go) }
.stop { color: var(--stop) }
:focus-visible { outline: 3px solid var(--go); outline-offset: 2px }
@media (max-width: 46rem) {
  main { padding: 1.25rem 1rem 2rem }
  .columns { grid-template-columns: minmax(0, 1fr) }
}
`
