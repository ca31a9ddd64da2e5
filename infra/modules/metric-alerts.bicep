metadata description = 'Alert rules on the metrics of the hub, the storage account and the app. Their thresholds are in alerts/metric-alerts.json.'

@description('Begins the name of every rule.')
param namePrefix string

@description('Tags.')
param tags object

@description('Resource ids by the names that the rules use; empty where there is none.')
param targets object

@description('The most throughput units that the hub may have.')
param throughputUnits int

@description('Whether the stream timer has the one instance that is kept warm: the metric counts those of HTTP as well.')
param watchesTick bool

@description('Whether the hub has throughput units.')
param watchesThroughputUnits bool

@description('Who is told.')
param actionGroupId string

@description('Changes to rules, by key.')
param overrides object

@description('Where the runbook is.')
param runbookUrl string

var defaults = loadJsonContent('../alerts/metric-alerts.json')
var rules = [for rule in defaults: union(rule, contains(overrides, rule.key) ? overrides[rule.key] : {})]
var holds = {
  always: true
  tick: watchesTick
  throughputUnits: watchesThroughputUnits
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = [for rule in rules: if (rule.enabled && holds[rule.needs] && !empty(targets[rule.target])) {
  name: '${namePrefix}-${rule.key}'
  location: 'global'
  tags: tags
  properties: {
    description: '${rule.title}. ${rule.description} What to do: ${runbookUrl}#${rule.key}'
    enabled: true
    severity: rule.severity
    scopes: [targets[rule.target]]
    windowSize: rule.window
    evaluationFrequency: rule.frequency
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: rule.key
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: rule.metricNamespace
          metricName: rule.metricName
          timeAggregation: rule.aggregation
          operator: rule.operator
          threshold: contains(rule, 'perThroughputUnit') ? rule.threshold * throughputUnits : rule.threshold
        }
      ]
    }
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}]
