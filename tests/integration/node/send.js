// Sends one event of each kind with the SDK as it is; the host and the write key stand in the environment.
const { Analytics } = require('@segment/analytics-node')

const analytics = new Analytics({ host: process.env.SEGUE_HOST, writeKey: process.env.SEGUE_WRITE_KEY, maxRetries: 2 })
analytics.on('error', (error) => {
  console.error(error)
  process.exitCode = 1
})
const userId = 'n1'
analytics.identify({ userId, traits: { plan: 'pro' } })
analytics.track({ userId, event: 'Order Completed', properties: { total: 9.5, note: 'grüße' } })
analytics.page({ userId, name: 'Home' })
analytics.screen({ anonymousId: 'n2', name: 'Start' })
analytics.group({ userId, groupId: 'g1', traits: { size: 3 } })
analytics.alias({ userId, previousId: 'n2' })
analytics.closeAndFlush({ timeout: 20000 })
