metadata description = 'What watches the stream: alerts and who is told, the test from outside, the workbook.'

@description('Begins the names of alerts and of the test.')
param namePrefix string

@description('Name of the action group.')
param actionGroupName string

@description('Title of the workbook.')
param workbookName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Where the logs of the app are.')
param applicationInsightsId string

@description('Where the metrics of the hub are kept.')
param workspaceId string

@description('The namespace of the hub; empty where it is not known.')
param eventHubNamespaceId string

@description('The storage account.')
param storageAccountId string

@description('The app.')
param functionAppId string

@description('The most throughput units that the hub may have.')
param throughputUnits int

@description('Whether the stream timer has the one instance that is kept warm.')
param watchesTick bool

@description('Whether the hub has throughput units.')
param watchesThroughputUnits bool

@description('Whether alert rules are made at all.')
param alertsEnabled bool

@description('Addresses that get a mail.')
param emails array

@description('A URL that alerts are posted to; empty for none.')
@secure()
param webhookUrl string

@description('Changes to rules, by key.')
param overrides object

@description('Where the runbook is.')
param runbookUrl string

@description('Whether the health route is asked from outside.')
param availabilityTest bool

@description('The health route.')
param healthUrl string

@description('From where it is asked, by population tags.')
param places array

var actionGroupId = resourceId('Microsoft.Insights/actionGroups', actionGroupName)

module actionGroup 'action-group.bicep' = if (alertsEnabled) {
  name: 'action-group'
  params: {
    name: actionGroupName
    tags: tags
    emails: emails
    webhookUrl: webhookUrl
  }
}

module logAlerts 'log-alerts.bicep' = if (alertsEnabled) {
  name: 'log-alerts'
  params: {
    namePrefix: namePrefix
    location: location
    tags: tags
    applicationInsightsId: applicationInsightsId
    actionGroupId: actionGroupId
    overrides: overrides
    runbookUrl: runbookUrl
  }
  dependsOn: [actionGroup]
}

module metricAlerts 'metric-alerts.bicep' = if (alertsEnabled) {
  name: 'metric-alerts'
  params: {
    namePrefix: namePrefix
    tags: tags
    targets: {
      eventHub: eventHubNamespaceId
      storage: storageAccountId
      functionApp: functionAppId
    }
    throughputUnits: throughputUnits
    watchesTick: watchesTick
    watchesThroughputUnits: watchesThroughputUnits
    actionGroupId: actionGroupId
    overrides: overrides
    runbookUrl: runbookUrl
  }
  dependsOn: [actionGroup]
}

module availability 'availability.bicep' = if (availabilityTest) {
  name: 'availability'
  params: {
    namePrefix: namePrefix
    location: location
    tags: tags
    applicationInsightsId: applicationInsightsId
    url: healthUrl
    places: places
    alertsEnabled: alertsEnabled
    actionGroupId: actionGroupId
    overrides: overrides
    runbookUrl: runbookUrl
  }
  dependsOn: [actionGroup]
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  params: {
    displayName: workbookName
    location: location
    tags: tags
    applicationInsightsId: applicationInsightsId
    workspaceId: workspaceId
    eventHubNamespaceId: eventHubNamespaceId
  }
}
