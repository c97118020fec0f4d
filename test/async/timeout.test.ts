import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { withinDeadline } from '../../src/async/timeout'

const late = () => new Error('late')

test('gives the result of what is in time', async () => {
  expect(await withinDeadline(Promise.resolve('in time'), 10, late)).toBe('in time')
})

test('gives up on what never comes', async () => {
  await expect(withinDeadline(new Promise(() => {}), 10, late)).rejects.toThrow('late')
})

test('gives up at once where the time has passed already, without asking Node for it', async () => {
  const timers = jest.spyOn(globalThis, 'setTimeout')
  await expect(withinDeadline(new Promise(() => {}), -9.8, late)).rejects.toThrow('late')
  expect(timers.mock.calls.map(([, delay]) => delay)).toEqual([0])
  timers.mockRestore()
})

test('hands on a failure in time', async () => {
  await expect(withinDeadline(Promise.reject(new Error('broken')), 10, late)).rejects.toThrow('broken')
})

test('accepts a response that arrived while the event loop was busy beyond the deadline', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end('answer')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await new Promise((resolve) => server.once('connection', resolve))
  const answer = new Promise<string>((resolve) => {
    socket.once('data', (data: Buffer) => resolve(data.toString()))
  })
  const waiting = withinDeadline(answer, 20, late)
  const busyUntil = performance.now() + 200
  while (performance.now() < busyUntil);
  expect(await waiting).toBe('answer')
  socket.destroy()
  server.close()
})
