metadata description = 'Alert rules that read the logs of the app. Their thresholds are in alerts/log-alerts.json, their queries in alerts/kql.'

@description('Begins the name of every rule.')
param namePrefix string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where the logs are.')
param applicationInsightsId string

@description('Who is told.')
param actionGroupId string

@description('Changes to rules, by key.')
param overrides object

@description('Where the runbook is.')
param runbookUrl string

var defaults = loadJsonContent('../alerts/log-alerts.json')
var queries = {
  'low-throughput': loadTextContent('../alerts/kql/low-throughput.kql')
  'success-rate': loadTextContent('../alerts/kql/success-rate.kql')
  'failure-rate': loadTextContent('../alerts/kql/failure-rate.kql')
  'breaker-trips': loadTextContent('../alerts/kql/breaker-trips.kql')
  'breaker-open': loadTextContent('../alerts/kql/breaker-open.kql')
  'connection-failures': loadTextContent('../alerts/kql/connection-failures.kql')
  'achieved-rate': loadTextContent('../alerts/kql/achieved-rate.kql')
  'tick-staleness': loadTextContent('../alerts/kql/tick-staleness.kql')
  'watch-silent': loadTextContent('../alerts/kql/watch-silent.kql')
  'storage-unreachable': loadTextContent('../alerts/kql/storage-unreachable.kql')
  'dlq-growth': loadTextContent('../alerts/kql/dlq-growth.kql')
  'dlq-size': loadTextContent('../alerts/kql/dlq-size.kql')
  'poison-messages': loadTextContent('../alerts/kql/poison-messages.kql')
  'outbox-age': loadTextContent('../alerts/kql/outbox-age.kql')
  'connection-test': loadTextContent('../alerts/kql/connection-test.kql')
  'connection-latency': loadTextContent('../alerts/kql/connection-latency.kql')
  'http-errors': loadTextContent('../alerts/kql/http-errors.kql')
  'function-failures': loadTextContent('../alerts/kql/function-failures.kql')
}
var rules = [for rule in defaults: union(rule, contains(overrides, rule.key) ? overrides[rule.key] : {})]

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: if (rule.enabled) {
  name: '${namePrefix}-${rule.key}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: '${namePrefix}: ${rule.title}'
    description: '${rule.description} What to do: ${runbookUrl}#${rule.key}'
    enabled: true
    severity: rule.severity
    scopes: [applicationInsightsId]
    targetResourceTypes: ['microsoft.insights/components']
    windowSize: rule.window
    evaluationFrequency: rule.frequency
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: queries[rule.key]
          timeAggregation: rule.aggregation
          metricMeasureColumn: rule.aggregation == 'Count' ? null : 'value'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [actionGroupId]
    }
  }
}]
