import type * as OpenTelemetry from '@opentelemetry/api'
import { TokenEndpointError } from '../errors/pagerduty-errors'
import { reasonOf } from '../errors/errors'

type API = typeof OpenTelemetry

/** The instrumentation scope of everything that is measured here. */
export const scope = 'passport-pagerduty'
let isLoaded = false
let api: API | undefined

/**
 * `@opentelemetry/api`, where it is installed; as long as the app registers no SDK, it does nothing. Whatever is wrong with it
 * is no reason not to start.
 */
export function loadTelemetry(): API | undefined {
  if (isLoaded) return api
  isLoaded = true
  try {
    api = require('@opentelemetry/api') as API
  } catch {
    // It is optional.
  }
  return api
}

/** What gives the app's meters now: its SDK may be registered after the first event. */
export function meterProvider(): OpenTelemetry.MeterProvider | undefined {
  return loadTelemetry()?.metrics.getMeterProvider()
}

/** Does a call of the token endpoint in a span of its own, below the one that is active. */
export function inSpan<T>(name: string, attributes: Attributes, call: () => Promise<T>): Promise<T> {
  const telemetry = loadTelemetry()
  if (telemetry === undefined) return call()
  const { trace, SpanKind, SpanStatusCode } = telemetry
  const tracer = trace.getTracer(scope)
  return tracer.startActiveSpan(name, { kind: SpanKind.CLIENT, attributes }, async (span) => {
    try {
      const result = await call()
      span.setAttribute('http.response.status_code', 200)
      return result
    } catch (error) {
      const reason = reasonOf(error)
      const status = error instanceof TokenEndpointError ? error.httpStatus : undefined
      if (status !== undefined) span.setAttribute('http.response.status_code', status)
      span.setAttribute('error.type', reason)
      span.setStatus({ code: SpanStatusCode.ERROR, message: reason })
      throw error
    } finally {
      span.end()
    }
  })
}

type Attributes = Readonly<Record<string, string | number>>
