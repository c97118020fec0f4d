import { Client } from 'pg'
import { PostgresTokenStore, SQLiteTokenStore } from '../../../src'
import { type PostgresServer, startPostgres } from '../postgres'
import { rawConnection, temporaryFile } from '../sqlite'
import { standingStill } from './virtual-time'
import type { RealStore } from './world'

/** Real stores that take part in a model, by its clock. */
export interface RealStores {
  /** Begins from nothing. */
  clear(): Promise<void>
  /** One for each process. */
  open(): RealStore
}

/** Their table has the model's time: functions of a schema that is searched before PostgreSQL's own. */
const clock = `CREATE SCHEMA model;
  CREATE FUNCTION model.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT timestamptz 'epoch' + current_setting('model.now')::double precision * interval '1 millisecond' $$;
  CREATE FUNCTION model.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT model.clock_timestamp() $$`

/** Of several stores, whose queries it sends one after the other. */
interface Connection {
  readonly client: Client
  last: Promise<unknown>
}

export class PostgresStores implements RealStores {
  readonly #server: PostgresServer
  readonly #clients: readonly Connection[]
  #opened = 0

  private constructor(server: PostgresServer, clients: readonly Connection[]) {
    this.#server = server
    this.#clients = clients
  }

  static async start(): Promise<PostgresStores> {
    const server = await startPostgres()
    await server.admin.query(clock)
    const clients = [1, 2, 3, 4].map(() => new Client({ connectionString: server.url }))
    for (const client of clients) {
      await client.connect()
      await client.query('SET search_path = model, pg_catalog, public')
    }
    return new PostgresStores(
      server,
      clients.map((client) => ({ client, last: Promise.resolve() })),
    )
  }

  async clear(): Promise<void> {
    await this.#server.admin.query('DROP TABLE IF EXISTS model.pagerduty_tokens')
  }

  open(): RealStore {
    const connection = this.#clients[this.#opened++ % this.#clients.length] as Connection
    return new PostgresTokenStore({
      query(text, values) {
        const now = `${Date.now()}`
        const send = async () => {
          await connection.client.query(`SELECT set_config('model.now', $1, false)`, [now])
          return connection.client.query(text, values)
        }
        const sent = connection.last.then(send, send)
        connection.last = sent
        // A sweep, for which no actor waits, is over before time goes on.
        return standingStill(sent)
      },
    })
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map(({ client }) => client.end()))
    await this.#server.stop()
  }
}

export class SQLiteStores implements RealStores {
  readonly #file = temporaryFile()

  async clear(): Promise<void> {
    const raw = rawConnection(this.#file)
    raw.exec('DROP TABLE IF EXISTS pagerduty_tokens')
    raw.close()
  }

  open(): RealStore {
    return new SQLiteTokenStore(this.#file)
  }
}
